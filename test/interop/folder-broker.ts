import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { startKafka, type KafkaBroker } from '../oracles/kafka.ts'
import { freePorts, untilListening, type RunningProcess } from '../oracles/processes.ts'
import { startZooKeeper, type ZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'
import { startBrokerProcess } from './clusters.ts'
import type { Product } from './mixed-brokers.ts'

/** One broker on one folder and one port, of one product or the other in turn, with the same settings. */
export class FolderBroker {
  readonly port: number
  readonly folder: string
  readonly client: ClusterClient
  private readonly work = mkdtempSync(join(tmpdir(), 'millrace-takeover-'))
  private readonly zookeeper: ZooKeeperEnsemble
  private readonly properties: Readonly<Record<string, string>>
  private process: RunningProcess | null = null
  private kafka: KafkaBroker | null = null

  static async create(properties: Readonly<Record<string, string>>): Promise<FolderBroker> {
    const zookeeper = await startZooKeeper()
    const [port = 0] = await freePorts(1)
    return new FolderBroker(zookeeper, port, properties)
  }

  private constructor(zookeeper: ZooKeeperEnsemble, port: number, properties: Readonly<Record<string, string>>) {
    this.zookeeper = zookeeper
    this.port = port
    this.properties = properties
    this.folder = join(this.work, 'data')
    this.client = new ClusterClient(() => [{ id: 1, port, isRunning: this.process !== null }])
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  async start(product: Product): Promise<void> {
    const { port, folder: logDirs } = this
    const zookeeper = `${this.zookeeper.connectString}/takeover`
    const properties = { 'zookeeper.session.timeout.ms': '6000', ...this.properties }
    const common = { brokerId: 1, port, zookeeper, logDirs, properties }
    if (product === 'kafka') {
      const java = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
      this.kafka = await startKafka({ ...common, java, informative: ['kafka.log.LogCleaner'] })
      this.process = this.kafka.process
    } else {
      this.process = startBrokerProcess(common)
      await untilListening(port, 30_000, this.process)
    }
  }

  /** In an orderly way. */
  async stop(): Promise<void> {
    await (this.kafka ?? this.process)?.stop()
    this.kafka = null
    this.process = null
  }

  output(): string {
    return this.process?.output() ?? ''
  }

  segments(partition: string): string[] {
    return readdirSync(join(this.folder, partition)).filter(name => name.endsWith('.log'))
  }

  /** How far partitions are compacted, as `cleaner-offset-checkpoint` says. By `topic-partition`. */
  cleaned(): Map<string, number> {
    const bytes = readFileSync(join(this.folder, 'cleaner-offset-checkpoint'))
    return new Map(decodeOffsetCheckpoint(bytes).map(each => [`${each.topic}-${each.partition}`, each.offset]))
  }

  /** Everything but the active segment is. */
  isCleaned(partition: string): boolean {
    return (this.cleaned().get(partition) ?? 0) === parseInt(this.segments(partition).sort().at(-1)!, 10)
  }

  async close(): Promise<void> {
    await this.client.close()
    await this.stop()
    await this.zookeeper.stop()
    rmSync(this.work, { recursive: true, force: true })
  }
}
