import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel, type Admin } from 'kafkajs'
import { preheatMemory, untilQuiet, type LoadGenerator, type LoadResult } from './load-generator.ts'
import type { ThreeBrokers } from './three-brokers.ts'

/** One load on a topic of three partitions and three replicas, each broker leading one partition, acks=all. */
export interface ReplicatedLoad {
  readonly name: string
  readonly args: readonly string[]
  /** Requests a second of an open loop. */
  readonly rate?: number
  /** About as much as is written, on all brokers together. */
  readonly megabytes: number
  readonly unit: string
  readonly figure: (result: LoadResult) => number
  /** In `unit`; absent: only the ratio counts. */
  readonly target?: number
  /** How many times Kafka's figure ours should be. */
  readonly ratioTarget?: number
  /** Less is better. */
  readonly isLatency?: boolean
}

export const topic = 'load'
export const partitions = 3

/** CONNECTIONS DEPTH RECORDS RECORD_BYTES SECONDS TOPIC PARTITIONS */
const args = (connections: number, depth: number, records: number, seconds: number): string[] =>
  [connections, depth, records, 100, seconds, topic, partitions].map(String)

export const replicatedLoads = (seconds: number): ReplicatedLoad[] => [
  {
    name: '100 x 100 B batches, 4 connections x 8',
    args: args(4, 8, 100, seconds),
    megabytes: 3000,
    unit: 'M messages/s',
    figure: result => result.messagesPerSecond / 1e6,
    ratioTarget: 2,
  },
  {
    name: 'single records of 100 B, 64 connections x 1',
    args: args(64, 1, 1, seconds),
    megabytes: 300,
    unit: 'k requests/s',
    figure: result => result.messagesPerSecond / 1e3,
    ratioTarget: 2,
  },
  {
    name: 'single records of 100 B, 16 connections x 1',
    args: args(16, 1, 1, seconds),
    megabytes: 200,
    unit: 'k requests/s',
    figure: result => result.messagesPerSecond / 1e3,
    ratioTarget: 2,
  },
  {
    name: '1 MB batches (9,000 x 100 B), 2 connections x 4',
    args: args(2, 4, 9000, seconds),
    megabytes: 5000,
    unit: 'MB/s',
    figure: result => result.megabytesPerSecond,
    target: 250,
  },
  {
    name: 'open loop, 1,000 requests/s over 16 connections: p99',
    // Thirty of three thousand requests would be a matter of luck.
    args: args(16, 64, 1, 3 * seconds),
    rate: 1000,
    megabytes: 50,
    unit: 'ms',
    figure: result => result.p99Micros! / 1e3,
    ratioTarget: 0.5,
    isLatency: true,
  },
]

/** A client that only manages topics. */
export async function adminOf(brokers: ThreeBrokers): Promise<Admin> {
  const client = new Kafka({ brokers: brokers.ports.map(port => `127.0.0.1:${port}`), logLevel: logLevel.NOTHING })
  const admin = client.admin()
  await admin.connect()
  return admin
}

/** Partition p on all brokers, led by the p-th. */
export const assignment = (count: number): { partition: number; replicas: number[] }[] =>
  Array.from({ length: count }, (_, partition) => ({
    partition,
    replicas: [0, 1, 2].map(place => ((partition + place) % 3) + 1),
  }))

/** Runs one load on a topic of its own, which is gone afterwards: files of one run must not slow the next. */
export async function runLoad(
  load: ReplicatedLoad,
  generator: LoadGenerator,
  brokers: ThreeBrokers,
  options: {
    readonly work: string
    readonly quietSeconds: number
    /** Stand still meanwhile (SIGSTOP): what an idle cluster does now and then would be in the latencies of the other. */
    readonly others?: readonly ThreeBrokers[]
  },
): Promise<LoadResult> {
  const { work, quietSeconds, others = [] } = options
  const admin = await adminOf(brokers)
  try {
    const configEntries = [
      { name: 'max.message.bytes', value: '2000000' },
      { name: 'min.insync.replicas', value: '2' },
    ]
    await admin.createTopics({
      topics: [{ topic, replicaAssignment: assignment(partitions), configEntries }],
      waitForLeaders: true,
      timeout: 30_000,
    })
    await sleep(300) // The controller's word on the topic is with all brokers, and its session with ZooKeeper is fresh.
    for (const { processes } of others) for (const each of processes) each.kill('SIGSTOP')
    await untilQuiet(quietSeconds)
    preheatMemory(work, load.megabytes)
    const more = load.rate === undefined ? ['-1'] : ['-1', String(load.rate)]
    const target = { ports: brokers.ports, pids: brokers.pids, isPinned: false, isPunctual: load.rate !== undefined }
    const result = await generator.run('produce', target, load.args, more)
    if (result.errors > 0) throw new Error(`${load.name}: ${result.errors} requests were refused`)
    return result
  } finally {
    for (const { processes } of others) for (const each of processes) each.kill('SIGCONT')
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
    await sleep(1500) // file.delete.delay.ms is 1 s here
  }
}
