import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { untilReady } from '../interop/clusters.ts'
import { freePorts } from '../oracles/processes.ts'
import { startZooKeeperEnsemble, type ZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'
import { BrokerProcess } from './broker-process.ts'

export interface ProcessClusterOptions {
  /** Default 3. */
  readonly brokers?: number
  /** Default 3. */
  readonly zookeepers?: number
  /** Of ZooKeeper; session timeouts are from 2 ticks on. Default 300. */
  readonly tickMs?: number
  /** Settings of every broker, over `properties` of this file. */
  readonly properties?: Readonly<Record<string, string>>
  /** For logs and data. Kept when given; by default a temporary folder that `close` removes. */
  readonly folder?: string
  /** Where broker `id` lives, if not on loopback with its data under `folder`. */
  readonly place?: (id: number) => BrokerPlace
  /** Where the ZooKeeper servers listen; default loopback. */
  readonly zookeeperHosts?: readonly string[]
}

export interface BrokerPlace {
  readonly host?: string
  readonly logDirs?: readonly string[]
  /** Stands before the broker's command: a network namespace. */
  readonly within?: readonly string[]
}

/** Brokers as processes on a real ensemble: what can be killed, stopped, cut off and filled up as in production. */
export interface ProcessCluster {
  readonly brokers: readonly BrokerProcess[]
  readonly zookeeper: ZooKeeperEnsemble
  /** `host:port,…/chroot`. */
  readonly zookeeperConnect: string
  readonly bootstrap: string
  readonly folder: string
  broker(id: number): BrokerProcess
  /** Resolves when all brokers run and each knows all of them and the controller. */
  ready(): Promise<void>
  close(): Promise<void>
}

/** What the tests of failures need: the promise of the README, and short timeouts. */
export const properties = {
  'default.replication.factor': '3',
  'min.insync.replicas': '2',
  'offsets.topic.replication.factor': '3',
  'offsets.topic.num.partitions': '4',
  'auto.create.topics.enable': 'false',
  'zookeeper.session.timeout.ms': '4000',
  'zookeeper.connection.timeout.ms': '15000',
  'replica.lag.time.max.ms': '2000',
  'unclean.leader.election.enable': 'false',
}

/** `brokers` processes of `millrace-broker` on an ensemble of `zookeepers` servers; ids from 1. Ready when it resolves. */
export async function startProcessCluster(options: ProcessClusterOptions = {}): Promise<ProcessCluster> {
  const count = options.brokers ?? 3
  const isTemporary = options.folder === undefined
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'millrace-cluster-'))
  mkdirSync(join(folder, 'zookeeper'), { recursive: true })
  const zookeeper = await startZooKeeperEnsemble(options.zookeepers ?? 3, {
    tickMs: options.tickMs ?? 300,
    folder: join(folder, 'zookeeper'),
    ...(options.zookeeperHosts === undefined ? {} : { hosts: options.zookeeperHosts }),
  })
  const zookeeperConnect = `${zookeeper.connectString}/millrace`
  const ports = await freePorts(count)
  const brokers = ports.map((port, i) => {
    const place = options.place?.(i + 1) ?? {}
    const { host = '127.0.0.1', logDirs = [join(folder, `broker-${i + 1}`)], within = [] } = place
    return new BrokerProcess({
      id: i + 1,
      host,
      port,
      zookeeper: zookeeperConnect,
      logDirs,
      within,
      outputFile: join(folder, `broker-${i + 1}.log`),
      properties: { ...properties, ...options.properties },
    })
  })
  const cluster: ProcessCluster = {
    brokers,
    zookeeper,
    zookeeperConnect,
    folder,
    bootstrap: brokers.map(({ host, port }) => `${host}:${port}`).join(','),
    broker: id => brokers.find(each => each.id === id)!,
    async ready() {
      for (const broker of brokers) broker.launch()
      await untilReady(
        ports,
        brokers.map(({ running }) => running),
        brokers.map(({ host }) => host),
      )
    },
    async close() {
      await Promise.all(brokers.map(broker => broker.kill()))
      await zookeeper.stop()
      if (isTemporary) rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    await cluster.ready()
  } catch (error) {
    await cluster.close()
    throw error
  }
  return cluster
}
