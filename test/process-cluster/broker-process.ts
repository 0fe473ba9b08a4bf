import { startBrokerProcess } from '../interop/clusters.ts'
import { untilListening, type RunningProcess } from '../oracles/processes.ts'

export interface BrokerProcessOptions {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly zookeeper: string
  readonly logDirs: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  readonly outputFile: string
  readonly within: readonly string[]
}

/** Three at once on a machine that is busy with other tests take half a minute. */
const startTimeoutMs = 120_000

/** One `millrace-broker` process on a folder and a port of its own, for tests that end it, stop it and start it again. */
export class BrokerProcess {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly logDirs: readonly string[]
  private readonly options: BrokerProcessOptions
  private process: RunningProcess | null = null
  private paused = false

  constructor(options: BrokerProcessOptions) {
    this.options = options
    this.id = options.id
    this.host = options.host
    this.port = options.port
    this.logDirs = options.logDirs
  }

  /** Is there a process? A paused one is running. */
  get isRunning(): boolean {
    return this.process !== null && !this.process.exited
  }
  get isPaused(): boolean {
    return this.isRunning && this.paused
  }
  /** Running, and able to answer. */
  get isAlive(): boolean {
    return this.isRunning && !this.paused
  }
  get pid(): number {
    return this.process?.pid ?? -1
  }

  /** Launches it when it does not run; resolves when it listens. */
  async start(): Promise<void> {
    this.launch()
    await untilListening(this.port, startTimeoutMs, this.process!, this.host)
  }

  /**
   * As under a supervisor: launched again while it ends with an error, which it does when ZooKeeper does not answer in time. Rejects
   * when it does not listen after `withinMs`.
   */
  async startSupervised(withinMs: number): Promise<void> {
    const endMs = Date.now() + withinMs
    for (;;) {
      try {
        return await this.start()
      } catch (error) {
        if (this.isRunning || Date.now() > endMs || (await this.running.ended()) !== 1) throw error
      }
    }
  }

  /** Launches it and does not wait. */
  launch(): void {
    if (this.isRunning) return
    const { id, host, port, zookeeper, logDirs, properties, outputFile, within } = this.options
    const all = { brokerId: id, host, port, zookeeper, logDirs: [...logDirs], properties, outputFile, within }
    this.process = startBrokerProcess(all)
    this.paused = false
  }

  /** The process that runs, or ran last. */
  get running(): RunningProcess {
    if (this.process === null) throw new Error(`broker ${this.id} was never started`)
    return this.process
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.process?.kill('SIGKILL')
    await this.process?.ended()
  }

  /** SIGTERM, a controlled shutdown. Rejects when it does not end in time or ends with an error. */
  async terminate(timeoutMs = 30_000): Promise<void> {
    if (!this.isRunning) return
    const { running } = this
    running.kill('SIGTERM')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`broker ${this.id} did not end within ${timeoutMs} ms`)), timeoutMs)
    })
    const outcome = await Promise.race([running.ended(), late]).finally(() => clearTimeout(timer))
    if (outcome !== 0) throw new Error(`broker ${this.id} ended with ${outcome}:\n${running.output().slice(-4000)}`)
  }

  /** SIGSTOP: nothing moves in it until `resume`. */
  pause(): void {
    this.process?.kill('SIGSTOP')
    this.paused = this.isRunning
  }
  resume(): void {
    this.process?.kill('SIGCONT')
    this.paused = false
  }

  output(): string {
    return this.process?.output() ?? ''
  }
}
