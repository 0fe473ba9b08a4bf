import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { Findings } from '@millrace/testing/checkers/anomalies'
import { longestGaps, type Gap } from '@millrace/testing/checkers/availability'
import { checkHistory } from '@millrace/testing/checkers/check-history'
import type { Operation } from '@millrace/testing/checkers/history'
import { BrokerLinks, type BrokerAddress } from '@millrace/testing/workload/broker-links'
import { differenceOf, readBack, type Replica } from '@millrace/testing/workload/read-back'
import { eventually } from '../oracles/processes.ts'
import type { LibraryReport, Load } from './load.ts'

export interface VerdictOptions {
  readonly load: Load
  readonly brokers: () => readonly (BrokerAddress & { readonly logDirs: readonly string[] })[]
  readonly topic: string
  readonly partitions: number
  /** How long the cluster may take to be whole again once all faults are healed. */
  readonly healWithinMs: number
  readonly staleToleranceMs?: number
}

export interface Verdict {
  readonly findings: Findings
  /** Longest time without an acknowledgement per partition, while the load ran. */
  readonly gaps: readonly Gap[]
  readonly ackedCount: number
  readonly weakAckedCount: number
  readonly readBackCount: number
  readonly library: readonly LibraryReport[]
  /** Why no verdict could be reached, or what a library producer gave up for; empty: all well. */
  readonly troubles: readonly string[]
}

/**
 * Ends the load, waits until every replica is in sync, reads everything back from every broker, compares the replicas' bytes on
 * the wire and on the disk, and judges the whole history. The faults are healed and all brokers run.
 */
export async function verdictOf(options: VerdictOptions): Promise<Verdict> {
  const { load, staleToleranceMs } = options
  const world = nodeWorld()
  const links = new BrokerLinks({
    ...{ brokers: options.brokers, world, clientId: 'verdict', connectTimeoutMs: 5000, requestTimeoutMs: 15_000 },
  })
  const troubles: string[] = []
  const readBacks: Operation[] = []
  const differences: Readonly<Record<string, unknown>>[] = []
  try {
    await untilInSync(links, options)
    const library = await load.stopProducers()
    const endMs = world.clock.monotonicMs()
    await untilInSync(links, options)
    for (let partition = 0; partition < options.partitions; partition++) {
      const { operations, difference } = await allReplicas(links, options, partition)
      readBacks.push(...operations)
      if (difference !== null) differences.push({ partition, difference })
    }
    await load.close()
    for (const { fatal } of library)
      troubles.push(...fatal.map(reason => `a producer of librdkafka gave up: ${reason}`))
    for (const { left } of library) if (left > 0) troubles.push(`${left} records were never acknowledged`)
    const history = [...load.history(), ...readBacks]
    const findings = checkHistory(history, staleToleranceMs === undefined ? {} : { staleToleranceMs })
    for (const difference of differences) findings.add('replicas-differ', difference)
    const acked = history.filter(each => each.type === 'send' && each.result === 'ok')
    return {
      findings,
      gaps: longestGaps(history, { startMs: load.startMs, endMs }),
      ackedCount: acked.filter(each => each.type === 'send' && each.acks === -1).length,
      weakAckedCount: acked.filter(each => each.type === 'send' && each.acks === 1).length,
      readBackCount: readBacks.reduce((sum, each) => sum + (each.type === 'poll' ? each.records.length : 0), 0),
      library,
      troubles,
    }
  } finally {
    await links.close()
    await load.close()
  }
}

/** Every broker says of every partition that it has a leader and all its replicas in sync. */
async function untilInSync(links: BrokerLinks, options: VerdictOptions): Promise<void> {
  const { brokers, topic, partitions, healWithinMs } = options
  let last = ''
  const isInSync = async (): Promise<boolean> => {
    for (const { id } of brokers()) {
      const { topics, controllerId } = await links.metadata(topic, id)
      const rows = topics[0]?.partitions ?? []
      const off = rows.filter(
        ({ leaderId, isrNodes, replicaNodes }) => leaderId < 0 || isrNodes.length < replicaNodes.length,
      )
      last = `broker ${id} (controller ${controllerId}): ${JSON.stringify(off.length > 0 ? off : rows)}`
      if (rows.length < partitions || off.length > 0) return false
    }
    return true
  }
  const isInSyncOrUnknown = (): Promise<boolean> =>
    isInSync().catch((error: unknown) => {
      last = String(error)
      return false
    })
  await eventually(isInSyncOrUnknown, healWithinMs).catch(() => {
    throw new Error(`not all replicas are in sync ${healWithinMs} ms after the faults were healed: ${last}`)
  })
}

/** What each broker shows of the partition, once all show the same; or the difference that stays. */
async function allReplicas(
  links: BrokerLinks,
  { brokers, topic, healWithinMs }: VerdictOptions,
  partition: number,
): Promise<{ readonly operations: readonly Operation[]; readonly difference: string | null }> {
  const world = nodeWorld()
  const endMs = world.clock.monotonicMs() + healWithinMs
  for (;;) {
    const operations: Operation[] = []
    const replicas: Replica[] = []
    for (const { id: brokerId } of brokers()) {
      const record = (operation: Operation): void => void operations.push(operation)
      replicas.push(await readBack({ topic, partition, brokerId, links, world, record }))
    }
    const difference = replicas.map(replica => differenceOf(replicas[0]!, replica)).find(each => each !== null) ?? null
    const onDisk = difference === null ? diskDifference(brokers(), `${topic}-${partition}`) : null
    if ((difference === null && onDisk === null) || world.clock.monotonicMs() > endMs) {
      return { operations, difference: difference ?? onDisk }
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** The `.log` bytes of a replica, segment after segment: where segments begin is each broker's own affair. */
function diskDifference(
  brokers: readonly { readonly id: number; readonly logDirs: readonly string[] }[],
  name: string,
): string | null {
  const digests = brokers.map(({ logDirs }) => {
    const folder = logDirs.map(directory => join(directory, name)).find(existsSync) ?? join(logDirs[0]!, name)
    const hash = createHash('sha256')
    const files = readdirSync(folder).filter(file => file.endsWith('.log'))
    for (const file of files.sort()) hash.update(readFileSync(join(folder, file)))
    return hash.digest('hex')
  })
  const index = digests.findIndex(digest => digest !== digests[0])
  return index < 0 ? null : `the files of broker ${brokers[0]!.id} and broker ${brokers[index]!.id} differ`
}
