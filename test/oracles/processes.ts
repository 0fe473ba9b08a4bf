import { spawn, type ChildProcess } from 'node:child_process'
import { createServer, connect } from 'node:net'

/** `count` loopback ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer()
            .once('error', reject)
            .listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** Resolves when something accepts connections there; rejects after `timeoutMs` or when `process` ended. */
export async function untilListening(port: number, timeoutMs: number, process?: RunningProcess): Promise<void> {
  const end = Date.now() + timeoutMs
  for (;;) {
    if (await accepts(port)) return
    if (process?.exited) throw new Error(`${process.name} ended before it listened on ${port}:\n${process.output()}`)
    if (Date.now() > end)
      throw new Error(`nothing listens on ${port} after ${timeoutMs} ms:\n${process?.output() ?? ''}`)
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}
const accepts = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
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
}
export function startProcess({ name, command, args, cwd, env, stdin = 'ignore' }: StartOptions): RunningProcess {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: [stdin, 'pipe', 'pipe'] })
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
    output: () => chunks.join(''),
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
