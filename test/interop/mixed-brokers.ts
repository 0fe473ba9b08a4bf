import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { partitionStateZnode, topicZnode } from '@millrace/broker/metadata/znodes'
import { ErrorCode } from '@millrace/protocol/errors'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { AnyVersion, type Coordination } from '@millrace/zookeeper/coordination'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { startKafka } from '../oracles/kafka.ts'
import { eventually, freePorts, untilListening, type RunningProcess } from '../oracles/processes.ts'
import { startZooKeeper, type ZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'
import { startBrokerProcess } from './clusters.ts'

export type Product = 'kafka' | 'millrace'

interface MixedBroker {
  readonly id: number
  readonly product: Product
  readonly port: number
  process: RunningProcess | null
  isPaused: boolean
}

export interface StoredPartition {
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
}

/** Brokers of both products in one cluster, on one ZooKeeper. Ids from 1. */
export class MixedBrokers {
  readonly brokers: readonly MixedBroker[]
  readonly client: ClusterClient
  readonly sessionTimeoutMs = 12_000
  private readonly zookeeper: ZooKeeperEnsemble
  private readonly properties: Readonly<Record<string, string>>
  private readonly observer: Coordination
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-mixed-'))
  private readonly leftovers: (() => Promise<void>)[] = []

  /** The first one is controller when this resolves. */
  static async start(
    products: readonly Product[],
    first: number,
    properties: Readonly<Record<string, string>> = {},
  ): Promise<MixedBrokers> {
    const zookeeper = await startZooKeeper()
    const cluster = new MixedBrokers(zookeeper, products, await freePorts(products.length), properties)
    await cluster.observer.connect()
    await cluster.launch(first)
    const others = cluster.brokers.filter(({ id }) => id !== first)
    await Promise.all(others.map(({ id }) => cluster.launch(id)))
    await cluster.knowEachOther()
    return cluster
  }

  private constructor(
    zookeeper: ZooKeeperEnsemble,
    products: readonly Product[],
    ports: readonly number[],
    properties: Readonly<Record<string, string>>,
  ) {
    this.zookeeper = zookeeper
    this.properties = properties
    this.brokers = products.map((product, i) => ({
      ...{ id: i + 1, product, port: ports[i]!, process: null, isPaused: false },
    }))
    this.client = new ClusterClient(() =>
      this.brokers.map(({ id, port, process, isPaused }) => ({ id, port, isRunning: process !== null && !isPaused })),
    )
    this.observer = ensembleCoordination({
      ...{ servers: `${zookeeper.connectString}/mixed`, sessionTimeoutMs: 20_000, connectionTimeoutMs: 20_000 },
      ...{ world: nodeWorld(), logger: silentLogger },
    })
  }

  async start(id: number): Promise<void> {
    await this.launch(id)
    await this.knowEachOther()
  }

  private async launch(id: number): Promise<void> {
    const broker = this.broker(id)
    const properties: Record<string, string> = {
      'zookeeper.session.timeout.ms': String(this.sessionTimeoutMs),
      'replica.lag.time.max.ms': '1500',
      'auto.leader.rebalance.enable': 'false',
      'controlled.shutdown.retry.backoff.ms': '500',
      // Kafka's brokers never look at their own registration: nobody may take it from them.
      ...(broker.product === 'millrace' ? { 'millrace.fast.failure.detection.enable': 'false' } : {}),
      ...this.properties,
    }
    const zookeeper = `${this.zookeeper.connectString}/mixed`
    const logDirs = join(this.folder, `broker-${id}`)
    const common = { brokerId: id, port: broker.port, zookeeper, logDirs, properties }
    if (broker.product === 'kafka') {
      const java = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
      const started = await startKafka({ ...common, java })
      this.leftovers.push(() => started.stop())
      broker.process = started.process
    } else {
      const process = startBrokerProcess(common)
      await untilListening(broker.port, 30_000, process)
      broker.process = process
    }
  }

  get bootstrap(): string {
    return this.brokers.map(({ port }) => `127.0.0.1:${port}`).join(',')
  }

  broker(id: number): MixedBroker {
    return this.brokers[id - 1]!
  }

  /** kill -9; its session is over at once: what it holds in ZooKeeper is taken away by hand, as the end of the session would. */
  async kill(id: number): Promise<void> {
    const broker = this.broker(id)
    broker.process?.kill('SIGKILL')
    await broker.process?.ended()
    broker.process = null
    if ((await this.controllerId()) === id) await this.observer.delete('/controller', AnyVersion)
    await this.observer.delete(`/brokers/ids/${id}`, AnyVersion)
  }

  /** SIGTERM. Answers how it ended. */
  async shutDown(id: number): Promise<number | NodeJS.Signals> {
    const { process } = this.broker(id)
    process!.kill('SIGTERM')
    const outcome = await process!.ended()
    this.broker(id).process = null
    return outcome
  }

  pause(id: number): void {
    this.broker(id).process!.kill('SIGSTOP')
    this.broker(id).isPaused = true
  }
  goOn(id: number): void {
    this.broker(id).process?.kill('SIGCONT')
    this.broker(id).isPaused = false
  }

  /** -1: none at the moment. */
  async controllerId(): Promise<number> {
    if ((await this.observer.exists('/controller')) === null) return -1
    const { data } = await this.observer.get('/controller')
    return (JSON.parse(data.toString()) as { brokerid: number }).brokerid
  }

  /** Makes this one controller: the others are stopped for a moment, shorter than their sessions. */
  async elect(id: number): Promise<void> {
    if ((await this.controllerId()) === id) return
    const others = this.brokers.filter(other => other.id !== id && other.process !== null)
    for (const other of others) this.pause(other.id)
    try {
      await this.observer.delete('/controller', AnyVersion)
      await eventually(async () => (await this.controllerId()) === id, 3000)
    } finally {
      for (const other of others) this.goOn(other.id)
    }
    await this.knowEachOther()
  }

  /** Every running broker knows every other and the controller. */
  async knowEachOther(): Promise<void> {
    const running = this.brokers.filter(({ process, isPaused }) => process !== null && !isPaused)
    await this.client.until(
      'all know each other',
      async () => {
        const controllerId = await this.controllerId()
        for (const { id } of running) {
          const known = await this.client.metadata(null, id)
          if (known.brokers.length !== running.length || known.controllerId !== controllerId) return false
        }
        return controllerId >= 0
      },
      30_000,
    )
  }

  /** As it stands in ZooKeeper. */
  async stored(topic: string, partition: number): Promise<StoredPartition> {
    const topicPath = topicZnode.path(topic)
    const { partitions } = topicZnode.decode((await this.observer.get(topicPath)).data, topicPath)
    const path = partitionStateZnode.path(topic, partition)
    const state = partitionStateZnode.decode((await this.observer.get(path)).data, path)
    return { ...state, replicas: partitions.get(partition) ?? [] }
  }

  async until(
    topic: string,
    partition: number,
    holds: (stored: StoredPartition) => boolean,
    withinMs = 20_000,
  ): Promise<void> {
    let last: StoredPartition | null = null
    try {
      await eventually(async () => holds((last = await this.stored(topic, partition))), withinMs)
    } catch (error) {
      throw new Error(`${topic}-${partition} is ${JSON.stringify(last)}\n${this.output()}`, { cause: error })
    }
  }

  /** What the brokers printed lately: for people who look at a failure. */
  output(): string {
    const tail = (text: string): string => text.split('\n').slice(-25).join('\n')
    return this.brokers.map(({ id, process }) => `--- ${id}\n${tail(process?.output() ?? '')}`).join('\n')
  }

  async close(): Promise<void> {
    await this.client.close()
    const running = this.brokers.flatMap(({ process }) => (process === null ? [] : [process]))
    for (const process of running) process.kill('SIGKILL')
    await Promise.all(running.map(process => process.ended()))
    await Promise.all(this.leftovers.map(remove => remove()))
    await this.observer.close()
    await this.zookeeper.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Writes to each partition, one record after the other, and remembers where each one that was acknowledged with acks=all lies. */
export class AckedLoad {
  readonly acked = new Map<number, Map<number, string>>()
  attempts = 0
  private isOver = false
  private readonly writers: Promise<void>[]

  constructor(client: ClusterClient, topic: string, partitions: number) {
    this.writers = Array.from({ length: partitions }, (_, partition) => this.write(client, topic, partition))
  }

  count(partition: number): number {
    return this.acked.get(partition)!.size
  }

  async stop(): Promise<void> {
    this.isOver = true
    await Promise.all(this.writers)
  }

  private async write(client: ClusterClient, topic: string, partition: number): Promise<void> {
    const acked = new Map<number, string>()
    this.acked.set(partition, acked)
    for (let number = 0; !this.isOver; number++) {
      const value = `${partition} ${number}`
      this.attempts++
      try {
        const { errorCode, baseOffset } = await client.produce(topic, partition, [value])
        if (errorCode === ErrorCode.NONE) acked.set(baseOffset, value)
      } catch {
        // Nobody knows what became of it: it may be there, or not.
      }
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}
