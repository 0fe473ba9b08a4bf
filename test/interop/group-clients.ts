import { join } from 'node:path'
import { toolJvm } from '../oracles/kafka.ts'
import { oraclePath } from '../oracles/oracles.ts'
import { startProcess, type RunningProcess } from '../oracles/processes.ts'

export interface ClientRecord {
  readonly partition: number
  readonly offset: number
}

interface Waiting {
  readonly resolve: (answer: string) => void
  readonly reject: (error: Error) => void
}

/** Members of groups, transactions and commits of Java's client, in one JVM that stays while brokers change: see java/GroupClients.java. */
export class JavaClients {
  private readonly process: RunningProcess
  private readonly lines: readonly string[]
  private readonly waiting: Waiting[] = []

  constructor(bootstrap: string) {
    const file = join(import.meta.dirname, 'java', 'GroupClients.java')
    this.process = startProcess({
      ...{ name: 'GroupClients', command: 'java', args: [...toolJvm(), file, bootstrap], stdin: 'pipe' },
    })
    this.lines = linesOf(this.process, line => {
      if (line.startsWith('done ')) this.waiting.shift()?.resolve(line.slice('done '.length))
      if (line.startsWith('failed ')) this.waiting.shift()?.reject(new Error(`${line}\n${this.output()}`))
    })
  }

  /** What it answers; rejects when it failed. Commands are carried out one after the other; they may be given all at once. */
  run(command: string, timeoutMs = 40_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${command}: no answer\n${this.output()}`)), timeoutMs)
      const settled = (settle: () => void): void => {
        clearTimeout(timer)
        settle()
      }
      this.waiting.push({
        resolve: answer => settled(() => resolve(answer)),
        reject: error => settled(() => reject(error)),
      })
      this.process.child.stdin!.write(`${command}\n`)
    })
  }

  /** What its member of the group was given, in turn. */
  assignments(group: string): string[] {
    return this.said(`assigned ${group} `)
  }

  records(group: string): ClientRecord[] {
    return this.said(`record ${group} `).map(recordOf)
  }

  pause(): void {
    this.process.kill('SIGSTOP')
  }
  goOn(): void {
    this.process.kill('SIGCONT')
  }

  output(): string {
    return this.process.output()
  }

  complaints(): string[] {
    return this.lines.filter(line => /^member of/.test(line))
  }

  /** Members leave, then it ends. */
  async stop(): Promise<void> {
    await this.run('stop')
    await this.process.ended()
  }

  kill(): Promise<void> {
    this.process.kill('SIGKILL')
    return this.process.ended().then(() => {})
  }

  private said(start: string): string[] {
    return this.lines.filter(line => line.startsWith(start)).map(line => line.slice(start.length))
  }
}

/** librdkafka in a group: see python/group_member.py. */
export class PythonMember {
  private readonly process: RunningProcess
  private readonly lines: readonly string[]

  constructor(bootstrap: string, topic: string, group: string, sessionMs: number) {
    this.process = startProcess({
      name: 'group_member.py',
      command: oraclePath('confluent'),
      args: [join(import.meta.dirname, 'python', 'group_member.py'), bootstrap, topic, group, String(sessionMs)],
    })
    this.lines = linesOf(this.process)
  }

  assignments(): string[] {
    return this.lines.filter(line => line.startsWith('assigned '))
  }

  records(): ClientRecord[] {
    return this.lines.filter(line => line.startsWith('record ')).map(line => recordOf(line.slice('record '.length)))
  }

  pause(): void {
    this.process.kill('SIGSTOP')
  }
  goOn(): void {
    this.process.kill('SIGCONT')
  }

  output(): string {
    return this.process.output()
  }

  stop(): Promise<void> {
    return this.process.stop()
  }
}

/** All that it ever prints, as far as it did; `output()` forgets. */
function linesOf({ child }: RunningProcess, onLine: (line: string) => void = () => {}): readonly string[] {
  const lines: string[] = []
  let open = ''
  child.stdout!.on('data', (chunk: Buffer) => {
    const [first = '', ...others] = chunk.toString().split('\n')
    open += first
    for (const next of others) {
      lines.push(open)
      onLine(open)
      open = next
    }
  })
  return lines
}

function recordOf(text: string): ClientRecord {
  const [partition = NaN, offset = NaN] = text.split(' ').map(Number)
  return { partition, offset }
}
