import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { toolJvm } from '../oracles/kafka.ts'

export interface ToolOutcome {
  readonly code: number
  readonly output: string
}

/** After what a tool printed, before its exit code. */
const endMark = '\u0001'

/** Kafka's own tools in one JVM that stays: see java/ToolShell.java. Commands run one after another, in the order they were given. */
export class ToolShell {
  private readonly child: ChildProcess
  private readonly waiting: ((outcome: ToolOutcome) => void)[] = []
  private text = ''

  constructor() {
    const file = join(import.meta.dirname, 'java', 'ToolShell.java')
    this.child = spawn('java', [...toolJvm(), file], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => this.onText(chunk))
    process.on('exit', this.kill)
  }

  /** Resolves when the tool has ended; rejects after `timeoutMs`, or when the JVM is gone. */
  run(mainClass: string, args: readonly string[], timeoutMs = 60_000): Promise<ToolOutcome> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${mainClass} ${args.join(' ')}: no end after ${timeoutMs} ms\n${this.text}`)),
        timeoutMs,
      )
      this.waiting.push(outcome => {
        clearTimeout(timer)
        resolve(outcome)
      })
      this.child.stdin!.write(`${[mainClass, ...args].join('\t')}\n`)
    })
  }

  async close(): Promise<void> {
    process.off('exit', this.kill)
    const ended = new Promise(resolve => this.child.once('close', resolve))
    this.kill()
    await ended
  }

  private readonly kill = (): void => void this.child.kill('SIGKILL')

  private onText(chunk: string): void {
    this.text += chunk
    for (;;) {
      const end = this.text.indexOf(endMark)
      const lineEnd = this.text.indexOf('\n', end)
      if (end < 0 || lineEnd < 0) return
      const outcome = { output: this.text.slice(0, end), code: Number(this.text.slice(end + 1, lineEnd)) }
      this.text = this.text.slice(lineEnd + 1)
      this.waiting.shift()?.(outcome)
    }
  }
}
