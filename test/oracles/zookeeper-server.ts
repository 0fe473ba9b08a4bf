import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { oraclePath } from './oracles.ts'
import { freePorts, startProcess, untilListening, type RunningProcess } from './processes.ts'
import { connect } from 'node:net'

/** One real ZooKeeper server, on loopback. */
export interface ZooKeeperServer {
  readonly host: string
  readonly port: number
  readonly pid: number
  readonly isRunning: boolean
  kill(signal: NodeJS.Signals): void
  /** Resolves when its process has ended. */
  ended(): Promise<unknown>
  /** Starts it again on the same port and data, after it ended. */
  restart(): Promise<void>
  output(): string
}
export interface ZooKeeperEnsemble {
  readonly connectString: string
  readonly servers: readonly ZooKeeperServer[]
  stop(): Promise<void>
}
interface Options {
  /** Session timeouts may be from 2 to 20 ticks; the maximum is lifted to 60 s. */
  readonly tickMs?: number
  /** Where the servers listen, one each; default 127.0.0.1. */
  readonly hosts?: readonly string[]
  /** Kept when given, with a log per server; by default a temporary folder that `stop` removes. */
  readonly folder?: string
}

export const startZooKeeper = (options: Options = {}): Promise<ZooKeeperEnsemble> => start(1, options)
export const startZooKeeperEnsemble = (size = 3, options: Options = {}): Promise<ZooKeeperEnsemble> =>
  start(size, options)

async function start(size: number, options: Options): Promise<ZooKeeperEnsemble> {
  const { tickMs = 500 } = options
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'millrace-zookeeper-'))
  const host = (i: number): string => options.hosts?.[i] ?? '127.0.0.1'
  const ports = await freePorts(size * 3)
  const members =
    size === 1
      ? ''
      : Array.from(
          { length: size },
          (_, i) => `server.${i + 1}=${host(i)}:${ports[size + i]}:${ports[2 * size + i]}\n`,
        ).join('')
  const processes: RunningProcess[] = []
  const launch = (i: number): RunningProcess => {
    const data = join(folder, String(i + 1))
    mkdirSync(data, { recursive: true })
    writeFileSync(join(data, 'myid'), String(i + 1))
    const config = join(data, 'zoo.cfg')
    writeFileSync(
      config,
      `tickTime=${tickMs}\ninitLimit=20\nsyncLimit=10\ndataDir=${data}\nclientPort=${ports[i]}\nclientPortAddress=${host(i)}\nadmin.enableServer=false\nmaxClientCnxns=0\nmaxSessionTimeout=60000\n4lw.commands.whitelist=*\n${members}`,
    )
    return startProcess({
      name: `zookeeper ${i + 1}`,
      ...(options.folder === undefined ? {} : { outputFile: join(folder, `zookeeper-${i + 1}.log`) }),
      command: 'java',
      args: [
        '-Xmx256m',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1',
        '-Dzookeeper.admin.enableServer=false',
        '-Djute.maxbuffer=4194304',
        '-Dzookeeper.forceSync=no',
        '-cp',
        `${oraclePath('kafka')}/*`,
        'org.apache.zookeeper.server.quorum.QuorumPeerMain',
        config,
      ],
    })
  }
  for (let i = 0; i < size; i++) processes.push(launch(i))
  const serving = async (i: number): Promise<void> => {
    await untilListening(ports[i]!, 30_000, processes[i], host(i))
    const end = Date.now() + 30_000
    while (!(await ruok(ports[i]!, host(i)))) {
      if (Date.now() > end) throw new Error(`ZooKeeper ${i + 1} does not serve:\n${processes[i]!.output()}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  await Promise.all(ports.slice(0, size).map((_, i) => serving(i)))
  return {
    connectString: ports
      .slice(0, size)
      .map((port, i) => `${host(i)}:${port}`)
      .join(','),
    servers: ports.slice(0, size).map((port, i) => ({
      host: host(i),
      port,
      get isRunning() {
        return !processes[i]!.exited
      },
      get pid() {
        return processes[i]!.pid
      },
      kill: signal => processes[i]!.kill(signal),
      ended: () => processes[i]!.ended(),
      async restart() {
        await processes[i]!.ended()
        processes[i] = launch(i)
        await serving(i)
      },
      output: () => processes[i]!.output(),
    })),
    async stop() {
      for (const process of processes) process.kill('SIGKILL')
      await Promise.all(processes.map(process => process.ended()))
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** True when the server answers requests: `srvr` names its mode only then. */
const ruok = (port: number, host: string): Promise<boolean> =>
  new Promise(resolve => {
    let text = ''
    const socket = connect(port, host, () => socket.write('srvr'))
    socket.setTimeout(2000, () => socket.destroy())
    socket.on('data', chunk => {
      text += chunk.toString()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(text.includes('Mode:')))
  })
