import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { monotonicMs } from '@millrace/runtime/node/clock'
import type { Cluster } from '@millrace/testing/cluster/cluster'
import type { BrokerAddress } from '@millrace/testing/workload/broker-links'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { payloadOf } from '@millrace/testing/workload/payload'
import { Load, type LoadRates } from '../load/load.ts'
import { verdictOf, type Verdict } from '../load/verdict.ts'
import type { ProcessCluster } from '../process-cluster/process-cluster.ts'

/** `npm run scenarios`: the same with the durations of the real world. */
export const isLong = process.env['MILLRACE_SCENARIOS'] === 'long'

/** What a duration is in `npm test`, and in `npm run scenarios`. */
export const lasting = (shortMs: number, longMs: number): number => (isLong ? longMs : shortMs)

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** What a load has to know of a cluster, be it of processes or in this one. */
export interface LoadTarget {
  readonly bootstrap: string
  readonly brokers: () => readonly (BrokerAddress & { readonly logDirs: readonly string[] })[]
}

export const processes = ({ brokers, bootstrap }: Pick<ProcessCluster, 'brokers' | 'bootstrap'>): LoadTarget => ({
  bootstrap,
  brokers: () =>
    brokers.map(({ id, host, port, isAlive, logDirs }) => ({ id, host, port, isRunning: isAlive, logDirs })),
})

export const inProcess = (cluster: Cluster): LoadTarget => ({
  bootstrap: cluster.bootstrapServers,
  brokers: () => cluster.brokers.map(({ id, port, isRunning, logDir }) => ({ id, port, isRunning, logDirs: [logDir] })),
})

export interface UnderLoad {
  readonly topic: string
  readonly client: ClusterClient
  readonly load: Load
  /** Ids of brokers. */
  readonly leader: (partition?: number) => Promise<number>
  readonly controller: () => Promise<number>
  /** One record of our own, once, to `brokerId` or the leader; it is part of the history. */
  readonly probe: (
    partition: number,
    options?: { readonly brokerId?: number; readonly timeoutMs?: number },
  ) => Promise<ErrorCode>
  /** Records acknowledged from now on in every partition: the cluster is at work. Rejects after `withinMs`. */
  readonly atWork: (withinMs?: number) => Promise<void>
}

export interface UnderLoadOptions {
  readonly topic: string
  readonly partitions?: number
  readonly configs?: Readonly<Record<string, string>>
  readonly rates?: Partial<LoadRates>
  readonly staleToleranceMs?: number
}

const healWithinMs = 30_000
const atWorkWithinMs = 20_000

/** A topic and a load on it; `during` breaks something and makes it good again; then everything is read back and judged. */
export async function underLoad(
  { bootstrap, brokers }: LoadTarget,
  options: UnderLoadOptions,
  during: (context: UnderLoad) => Promise<void>,
): Promise<Verdict> {
  const { topic, partitions = 3, configs = {}, rates = {}, staleToleranceMs } = options
  const folder = mkdtempSync(join(tmpdir(), 'millrace-load-'))
  const client = new ClusterClient(brokers)
  const load = new Load({ brokers, bootstrap, topic, partitions, folder, rates })
  let probes = 0
  const context: UnderLoad = {
    ...{ topic, client, load },
    leader: async (partition = 0) => (await client.partition(topic, partition)).leader,
    controller: async () => (await client.metadata(null)).controllerId,
    async probe(partition, probeOptions = {}) {
      const number = probes++
      const startMs = monotonicMs()
      const { errorCode, baseOffset } = await client.produce(
        topic,
        partition,
        [payloadOf('probe', number)],
        probeOptions,
      )
      const isAcked = errorCode === ErrorCode.NONE
      const outcome = { result: isAcked ? ('ok' as const) : ('unknown' as const), offset: isAcked ? baseOffset : null }
      const sent = { process: 'probe', partition, value: `probe:${number}`, startMs, endMs: monotonicMs() }
      load.record({ type: 'send', ...sent, ...outcome, acks: -1, ordered: false })
      return errorCode
    },
    async atWork(withinMs = atWorkWithinMs) {
      const each = Array.from({ length: partitions }, (_, partition) =>
        client.until(`${topic}-${partition} acknowledges`, () => load.isAcknowledging(partition), withinMs),
      )
      await Promise.all(each)
    },
  }
  try {
    await createTopic(client, topic, { partitions, configs })
    load.start()
    await context.atWork()
    // Producers of librdkafka take their time to start.
    load.startMs = monotonicMs()
    await during(context)
    await context.atWork()
    const verdict = await verdictOf({
      ...{ load, brokers, topic, partitions, healWithinMs },
      ...(staleToleranceMs === undefined ? {} : { staleToleranceMs }),
    })
    rmSync(folder, { recursive: true, force: true })
    return verdict
  } finally {
    await load.close()
    await client.close()
  }
}

export function expectNothingLost(verdict: Verdict): void {
  const { findings, troubles } = verdict
  expect({ violations: findings.violations, troubles }).toEqual({ violations: {}, troubles: [] })
  // A load that did nothing would prove nothing.
  expect(verdict.ackedCount).toBeGreaterThan(100)
  expect(verdict.readBackCount).toBeGreaterThanOrEqual(3 * verdict.ackedCount)
}

/** Of any partition, acks=all. A busy machine adds to it. */
export const longestGapMs = ({ gaps }: Verdict): number => Math.max(...gaps.map(({ gapMs }) => gapMs))

async function createTopic(
  client: ClusterClient,
  topic: string,
  { partitions, configs }: { readonly partitions: number; readonly configs: Readonly<Record<string, string>> },
): Promise<void> {
  await client.createTopic(topic, { partitions, configs })
  const isInSync = async (): Promise<boolean> => {
    const { topics } = await client.metadata(topic)
    const known = topics[0]?.partitions ?? []
    return known.length === partitions && known.every(({ isrNodes, leaderId }) => leaderId > 0 && isrNodes.length === 3)
  }
  await client.until(`${topic} is in sync`, isInSync, healWithinMs)
}
