import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../scripts/pinned-node.js'
import { startKafka } from '../../test/oracles/kafka.ts'
import { freePorts, startProcess, untilListening, type RunningProcess } from '../../test/oracles/processes.ts'

/** Three brokers of one make, ids 1 to 3, each a process of its own on loopback. */
export interface ThreeBrokers {
  /** Of broker 1, 2 and 3. */
  readonly ports: readonly number[]
  readonly pids: readonly number[]
  readonly folders: readonly string[]
  readonly processes: readonly RunningProcess[]
  /** Starts the broker of this id anew, after it ended. */
  restart(id: number): Promise<void>
  stop(): Promise<void>
}

export interface ThreeBrokersOptions {
  readonly zookeeper: string
  /** Everything goes into a folder of its own in it. */
  readonly work: string
  /** In addition to what is needed. */
  readonly properties?: Readonly<Record<string, string | number>>
}

const ids = [1, 2, 3]
const starter = join(root, 'packages', 'broker', 'dist', 'bundle', 'start.cjs')

/** Of our bundle. `openFiles`: `ulimit -n` of each, where the one of the shell is not to count. */
export async function startThreeMillraces(
  options: ThreeBrokersOptions & { readonly openFiles?: number; readonly nodeFlags?: readonly string[] },
): Promise<ThreeBrokers> {
  const { zookeeper, work, properties = {}, openFiles, nodeFlags = [] } = options
  const folder = mkdtempSync(join(work, 'millrace-'))
  const ports = await freePorts(ids.length)
  const processes: RunningProcess[] = []
  const launch = async (id: number): Promise<void> => {
    const port = ports[id - 1]!
    const data = join(folder, `data-${id}`)
    mkdirSync(data, { recursive: true })
    const config = join(folder, `server-${id}.properties`)
    const all = {
      'broker.id': id,
      listeners: `PLAINTEXT://127.0.0.1:${port}`,
      'zookeeper.connect': zookeeper,
      'log.dirs': data,
      'log.segment.delete.delay.ms': 1000,
      ...properties,
    }
    writeFileSync(config, Object.entries(all).map(([key, value]) => `${key}=${value}\n`).join('')) // prettier-ignore
    const limit = openFiles === undefined ? '' : `ulimit -n ${openFiles} && `
    const broker = startProcess({
      name: `millrace ${id}`,
      command: 'bash',
      args: ['-c', `${limit}exec "$@"`, 'bash', process.execPath, ...nodeFlags, starter, config],
      cwd: folder,
    })
    processes[id - 1] = broker
    await untilListening(port, 60_000, broker)
  }
  for (const id of ids) await launch(id)
  return {
    ports,
    get pids() {
      return processes.map(({ pid }) => pid)
    },
    folders: ids.map(id => join(folder, `data-${id}`)),
    processes,
    restart: launch,
    async stop() {
      await Promise.all(processes.map(broker => broker.stop()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function startThreeKafkas({ zookeeper, properties = {} }: ThreeBrokersOptions): Promise<ThreeBrokers> {
  const ports = await freePorts(ids.length)
  const launch = (id: number, logDirs?: string): ReturnType<typeof startKafka> =>
    startKafka({
      zookeeper,
      brokerId: id,
      port: ports[id - 1]!,
      ...(logDirs !== undefined && { logDirs }),
      java: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC'],
      properties: {
        'log.segment.delete.delay.ms': '1000',
        'log.cleaner.enable': 'false',
        ...Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, String(value)])),
      },
    })
  const brokers = await Promise.all(ids.map(id => launch(id)))
  const folders = brokers.map(({ logDirs }) => logDirs)
  return {
    ports,
    get pids() {
      return brokers.map(({ process: each }) => each.pid)
    },
    folders,
    get processes() {
      return brokers.map(({ process: each }) => each)
    },
    async restart(id) {
      brokers[id - 1] = await launch(id, folders[id - 1])
    },
    async stop() {
      await Promise.all(brokers.map(broker => broker.stop()))
    },
  }
}
