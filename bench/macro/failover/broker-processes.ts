import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../scripts/pinned-node.js'
import { startProcess, untilListening, type RunningProcess } from '../../../test/oracles/processes.ts'

/** The bundled broker, as it is published. */
const starter = join(root, 'packages', 'broker', 'dist', 'bundle', 'start.cjs')

/** Brokers 1, 2, … of one cluster, each a process, with default settings unless `properties` says otherwise. */
export class BrokerProcesses {
  readonly ports: readonly number[]
  readonly #folder: string
  readonly #zookeeper: string
  readonly #properties: Readonly<Record<string, string>>
  readonly #core: string | undefined
  readonly #processes: (RunningProcess | undefined)[] = []

  constructor(options: {
    readonly ports: readonly number[]
    readonly folder: string
    readonly zookeeper: string
    readonly properties: Readonly<Record<string, string>>
    /** Core to run on; by default any. */
    readonly core?: string
  }) {
    this.ports = options.ports
    this.#folder = options.folder
    this.#zookeeper = options.zookeeper
    this.#properties = options.properties
    this.#core = options.core
  }

  get ids(): number[] {
    return this.ports.map((_, i) => i + 1)
  }

  pid(id: number): number {
    return this.#processes[id]?.pid ?? -1
  }

  output(id: number): string {
    return this.#processes[id]?.output() ?? ''
  }

  /** Resolves when it listens. */
  async start(id: number): Promise<void> {
    const port = this.ports[id - 1]!
    const folder = join(this.#folder, `broker-${id}`)
    mkdirSync(folder, { recursive: true })
    const properties = {
      'broker.id': id,
      listeners: `PLAINTEXT://127.0.0.1:${port}`,
      'zookeeper.connect': this.#zookeeper,
      'log.dirs': join(folder, 'data'),
      ...this.#properties,
    }
    const config = join(folder, 'server.properties')
    writeFileSync(config, Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join('')) // prettier-ignore
    const node = process.execPath
    const core = this.#core
    const running = startProcess(
      core === undefined
        ? { name: `broker ${id}`, command: node, args: [starter, config] }
        : { name: `broker ${id}`, command: 'taskset', args: ['-c', core, node, starter, config] },
    )
    this.#processes[id] = running
    await untilListening(port, 60_000, running)
  }

  /** The moment (performance.now) of the signal; the process is gone soon after. */
  kill(id: number): number {
    const atMs = performance.now()
    this.#processes[id]?.kill('SIGKILL')
    return atMs
  }

  /** SIGTERM, and until it is gone. */
  async stop(id: number): Promise<void> {
    await this.#processes[id]?.stop()
  }

  async ended(id: number): Promise<void> {
    await this.#processes[id]?.ended()
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.ids.map(id => this.stop(id)))
  }
}
