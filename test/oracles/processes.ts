import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readSync, fstatSync } from 'node:fs'
import { createServer, connect, type Server } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections (Linux: from 32768): a broker that is started again on its port would
 * now and then find it taken by somebody's connection otherwise.
 */
const portRange = { first: 10_000, end: 32_000 }
const portsGiven = new Set<number>()

/** `count` loopback ports that were free a moment ago, all different, and none given by this process before. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = []
  const ports: number[] = []
  while (ports.length < count) {
    const port = portRange.first + Math.floor(Math.random() * (portRange.end - portRange.first))
    if (portsGiven.has(port)) continue
    const server = await listening(port)
    if (server === null) continue
    portsGiven.add(port)
    servers.push(server)
    ports.push(port)
  }
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
const listening = (port: number): Promise<Server | null> =>
  new Promise(resolve => {
    const server = createServer()
      .once('error', () => resolve(null))
      .listen(port, '127.0.0.1', () => resolve(server))
  })

/** Resolves when something accepts connections there; rejects after `timeoutMs` or when `process` ended. */
export async function untilListening(
  port: number,
  timeoutMs: number,
  process?: RunningProcess,
  host = '127.0.0.1',
): Promise<void> {
  const end = Date.now() + timeoutMs
  for (;;) {
    if (await accepts(port, host)) return
    if (process?.exited) throw new Error(`${process.name} ended before it listened on ${port}:\n${process.output()}`)
    if (Date.now() > end)
      throw new Error(`nothing listens on ${port} after ${timeoutMs} ms:\n${process?.output() ?? ''}`)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}
const accepts = (port: number, host: string): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, host, () => {
      socket.destroy()
      resolve(true)
    }).once('error', () => resolve(false))
  })

/** Resolves when `condition` holds, asked again and again; rejects after `timeoutMs`. */
export async function eventually(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`still not so after ${timeoutMs} ms: ${condition.toString()}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** A child process whose output is kept and that dies with its test run. */
export interface RunningProcess {
  readonly name: string
  readonly pid: number
  readonly exited: boolean
  readonly child: ChildProcess
  output(): string
  kill(signal: NodeJS.Signals): void
  /** Waits for the end: exit code, or the signal's name. */
  ended(): Promise<number | NodeJS.Signals>
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface StartOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly env?: Record<string, string>
  readonly stdin?: 'pipe' | 'ignore'
  /** Where its output goes, appended to what is there; `output()` is the end of it. Default: the last 2,000 pieces are kept in memory. */
  readonly outputFile?: string | undefined
}
export function startProcess({
  name,
  command,
  args,
  cwd,
  env,
  stdin = 'ignore',
  outputFile,
}: StartOptions): RunningProcess {
  const file = outputFile === undefined ? null : openSync(outputFile, 'a')
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: [stdin, file ?? 'pipe', file ?? 'pipe'],
  })
  if (file !== null) closeSync(file)
  running.add(child)
  const chunks: string[] = []
  const keep = (chunk: Buffer): void => {
    if (chunks.push(chunk.toString()) > 2000) chunks.splice(0, 1000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  let outcome: number | NodeJS.Signals | undefined
  const ended = new Promise<number | NodeJS.Signals>(resolve => {
    const settle = (value: number | NodeJS.Signals): void => {
      outcome = value
      running.delete(child)
      resolve(value)
    }
    child.once('error', error => {
      chunks.push(error.message)
      settle(127)
    })
    child.once('close', (code, signal) => settle(code ?? signal ?? 0))
  })
  return {
    name,
    pid: child.pid ?? -1,
    child,
    get exited() {
      return outcome !== undefined
    },
    output: () => (outputFile === undefined ? '' : endOf(outputFile)) + chunks.join(''),
    kill: signal => {
      child.kill(signal)
    },
    ended: () => ended,
    async stop() {
      if (outcome !== undefined) return
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(timer)
    },
  }
}

const endBytes = 64 * 1024
function endOf(path: string): string {
  const file = openSync(path, 'r')
  const { size } = fstatSync(file)
  const bytes = Buffer.alloc(Math.min(size, endBytes))
  readSync(file, bytes, 0, bytes.length, size - bytes.length)
  closeSync(file)
  return bytes.toString()
}

/** Runs a program to its end and answers what it printed; rejects on a non-zero exit unless `allowFailure`. */
export async function runProcess(
  options: StartOptions & {
    readonly input?: string | Buffer
    readonly allowFailure?: boolean
    readonly timeoutMs?: number
  },
): Promise<{ code: number | NodeJS.Signals; stdout: Buffer; stderr: string }> {
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => {
    /* the program closed its input early; its exit code tells */
  })
  child.stdin.end(options.input ?? '')
  const timeoutMs = options.timeoutMs ?? 120_000
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const code = await new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exit, signal) => resolve(exit ?? signal ?? 0))
  })
  clearTimeout(timer)
  running.delete(child)
  const stderr = Buffer.concat(err).toString()
  const stdout = Buffer.concat(out)
  if (code !== 0 && options.allowFailure !== true) {
    throw new Error(
      `${options.name}: ended with ${code}${code === 'SIGKILL' ? ` after ${timeoutMs} ms` : ''}\n${stderr}\n${stdout.subarray(0, 4000).toString()}`,
    )
  }
  return { code, stdout, stderr }
}
