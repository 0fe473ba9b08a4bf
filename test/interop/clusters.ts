import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Connection } from '@millrace/client/connection/connection'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { nodeWorld } from '@millrace/runtime/node/world'
import { nodeFlags, root } from '../../scripts/pinned-node.js'
import { eventually, freePorts, startProcess, untilListening, type RunningProcess } from '../oracles/processes.ts'
import { startZooKeeper, type ZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'

/** Which of the two coordination implementations stands behind the brokers. */
export type CoordinationKind = 'embedded' | 'ensemble'

export interface MillraceCluster {
  readonly kind: CoordinationKind
  /** `host:port/chroot` of the ensemble; null with the embedded coordination. */
  readonly zookeeper: string | null
  /** `host:port,host:port`, for clients. */
  readonly bootstrap: string
  readonly ports: readonly number[]
  /** Log folders, one per broker; where a broker has several, the folder that they are in. */
  readonly logDirs: readonly string[]
  readonly processes: readonly RunningProcess[]
  /** Starts broker `index` again on its folder and port, after its process ended; resolves when all that run know each other. Processes of their own only with an ensemble. */
  restart(index: number): Promise<void>
  stop(): Promise<void>
}

/**
 * A cluster as users start it: with the embedded coordination the `npm start` program (all brokers in one process),
 * with an ensemble one `millrace-broker` process per broker on a real ZooKeeper.
 */
export function startMillrace(
  kind: CoordinationKind,
  brokers = 3,
  properties: Record<string, string> = {},
): Promise<MillraceCluster> {
  return kind === 'embedded' ? startEmbedded(brokers, properties) : startOnEnsemble(brokers, properties)
}

/** On an ensemble, each broker with several log folders: `disk-0`, `disk-1`… in its folder of `logDirs`. */
export function startWithDisks(
  brokers: number,
  disks: number,
  properties: Record<string, string> = {},
): Promise<MillraceCluster> {
  const inside = (folder: string): string =>
    Array.from({ length: disks }, (_, disk) => join(folder, `disk-${disk}`)).join()
  return startOnEnsemble(brokers, properties, inside)
}

async function startEmbedded(brokers: number, properties: Record<string, string>): Promise<MillraceCluster> {
  const data = mkdtempSync(join(tmpdir(), 'millrace-embedded-'))
  const first = await freePortRun(brokers)
  const overrides = Object.entries(properties).flatMap(([key, value]) => ['--override', `${key}=${value}`])
  const launch = (): RunningProcess =>
    startProcess({
      name: 'npm start',
      command: process.execPath,
      args: [
        ...nodeFlags,
        join(root, 'scripts', 'start.ts'),
        '--brokers',
        String(brokers),
        '--port',
        String(first),
        '--data',
        data,
        ...overrides,
      ],
    })
  const ports = Array.from({ length: brokers }, (_, i) => first + i)
  const processes = [launch()]
  await untilReady(ports, processes)
  return {
    kind: 'embedded',
    zookeeper: null,
    ports,
    processes,
    bootstrap: ports.map(port => `127.0.0.1:${port}`).join(','),
    logDirs: ports.map((_, i) => join(data, `broker-${i + 1}`)),
    async restart() {
      await processes[0]!.ended()
      processes[0] = launch()
      await untilReady(ports, processes)
    },
    async stop() {
      await processes[0]!.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

async function startOnEnsemble(
  brokers: number,
  properties: Record<string, string>,
  logDirsIn: (folder: string) => string = folder => folder,
): Promise<MillraceCluster> {
  const zookeeper: ZooKeeperEnsemble = await startZooKeeper()
  const data = mkdtempSync(join(tmpdir(), 'millrace-ensemble-'))
  const ports = await freePorts(brokers)
  const logDirs = ports.map((_, i) => join(data, `broker-${i + 1}`))
  const launch = (i: number): RunningProcess =>
    startBrokerProcess({
      brokerId: i + 1,
      port: ports[i]!,
      zookeeper: `${zookeeper.connectString}/millrace`,
      logDirs: logDirs[i]!,
      properties: { 'log.dirs': logDirsIn(logDirs[i]!), ...properties },
    })
  const processes = ports.map((_, i) => launch(i))
  await untilReady(ports, processes)
  return {
    kind: 'ensemble',
    zookeeper: `${zookeeper.connectString}/millrace`,
    ports,
    processes,
    logDirs,
    bootstrap: ports.map(port => `127.0.0.1:${port}`).join(','),
    async restart(i) {
      await processes[i]!.ended()
      processes[i] = launch(i)
      const running = ports.map((_, each) => each).filter(each => !processes[each]!.exited)
      await untilReady(
        running.map(each => ports[each]!),
        running.map(each => processes[each]!),
      )
    },
    async stop() {
      await Promise.all(processes.map(process => process.stop()))
      await zookeeper.stop()
      rmSync(data, { recursive: true, force: true })
    },
  }
}

/** Every broker knows every broker and the controller: from then on a client may ask any of them anything. */
export async function untilReady(
  ports: readonly number[],
  processes: readonly RunningProcess[],
  hosts: readonly string[] = [],
): Promise<void> {
  const { transport, clock, timers } = nodeWorld()
  await Promise.all(
    ports.map(async (port, i) => {
      const host = hosts[i] ?? '127.0.0.1'
      await untilListening(port, 30_000, processes[i] ?? processes[0], host)
      const connection = await Connection.open(
        {
          host,
          port,
          clientId: 'test',
          versions: 'negotiate',
          connectTimeoutMs: 10_000,
          requestTimeoutMs: 10_000,
        },
        { transport, clock, timers },
      )
      await eventually(async () => {
        const request = {
          topics: [],
          allowAutoTopicCreation: false,
          includeClusterAuthorizedOperations: false,
          includeTopicAuthorizedOperations: false,
        }
        const { brokers, controllerId } = await connection.request(metadataRequest, metadataResponse, request)
        return brokers.length === ports.length && controllerId >= 0
      }, 30_000)
      await connection.close()
    }),
  )
}

/** One `millrace-broker` process, as an operator would start it. */
export function startBrokerProcess(options: {
  brokerId: number
  host?: string
  port: number
  zookeeper: string
  logDirs: string | readonly string[]
  properties?: Record<string, string>
  /** Appended to; default: kept in memory. */
  outputFile?: string
  /** What stands before the command: `['ip', 'netns', 'exec', 'b1']`. It must become the broker, for signals. */
  within?: readonly string[]
}): RunningProcess {
  const logDirs = typeof options.logDirs === 'string' ? [options.logDirs] : options.logDirs
  for (const directory of logDirs) mkdirSync(directory, { recursive: true })
  const config = `${logDirs[0]}.properties`
  const properties: Record<string, string> = {
    'broker.id': String(options.brokerId),
    listeners: `PLAINTEXT://${options.host ?? '127.0.0.1'}:${options.port}`,
    'zookeeper.connect': options.zookeeper,
    'log.dirs': logDirs.join(),
    'zookeeper.session.timeout.ms': '6000',
    ...options.properties,
  }
  writeFileSync(
    config,
    Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  const [command, ...args] = [
    ...(options.within ?? []),
    process.execPath,
    ...nodeFlags,
    join(root, 'packages', 'broker', 'bin', 'millrace-broker.js'),
    config,
  ]
  return startProcess({ name: `millrace-broker ${options.brokerId}`, command, args, outputFile: options.outputFile })
}

/** The first of `count` consecutive free ports. */
async function freePortRun(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const [first = 0] = await freePorts(1)
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)))
    if (free.every(Boolean)) return first
  }
  throw new Error(`no ${count} free ports in a row`)
}
async function isFree(port: number): Promise<boolean> {
  const { createServer } = await import('node:net')
  return new Promise(resolve => {
    const server = createServer()
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
