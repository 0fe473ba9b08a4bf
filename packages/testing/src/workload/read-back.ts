import { errorName } from '@millrace/protocol/errors'
import { fetchRequest, fetchResponse } from '@millrace/protocol/messages/01-fetch'
import { crc32c } from '@millrace/protocol/compression/crc32c'
import { baseOffsetAt, lastOffsetDeltaAt } from '@millrace/protocol/records/record-batch'
import { emptyOf, ZERO_UUID } from '@millrace/protocol/schema'
import type { World } from '@millrace/runtime/ports'
import type { Operation } from '../checkers/history.ts'
import type { BrokerLinks } from './broker-links.ts'
import { forEachBatch, recordsOf } from './fetched-records.ts'

/** One replica as its broker shows it. */
export interface Replica {
  readonly brokerId: number
  readonly highWatermark: number
  /** One line per batch: base offset, size, CRC-32C of all its bytes, header included. */
  readonly batches: readonly string[]
}

export interface ReadBackOptions {
  readonly topic: string
  readonly partition: number
  readonly brokerId: number
  readonly links: BrokerLinks
  readonly world: World
  readonly record: (operation: Operation) => void
}

/** Everything of one partition that this broker shows, from offset 0 on. Rejects when it answers with an error. */
export async function readBack(options: ReadBackOptions): Promise<Replica> {
  const { topic, partition, brokerId, links, world, record } = options
  const batches: string[] = []
  let seek = true
  for (let fetchOffset = 0; ;) {
    const startMs = world.clock.monotonicMs()
    const asked = { partition, fetchOffset, partitionMaxBytes: 1024 * 1024, ...unused }
    const request = {
      ...emptyOf(fetchRequest),
      ...{ maxWaitMs: 0, minBytes: 1, maxBytes: 8 * 1024 * 1024 },
      topics: [{ topic, topicId: ZERO_UUID, partitions: [asked] }],
    }
    const { responses } = await links.ask(brokerId, fetchRequest, fetchResponse, request, { version: 12 })
    const row = responses[0]?.partitions[0]
    if (row === undefined || row.errorCode !== 0) {
      throw new Error(`broker ${brokerId}: ${topic}-${partition}: ${errorName(row?.errorCode ?? -1)} at ${fetchOffset}`)
    }
    const records = recordsOf(row.records, fetchOffset)
    let next = fetchOffset
    forEachBatch(row.records, (bytes, position, size) => {
      const base = baseOffsetAt(bytes, position)
      batches.push(`${base} ${size} ${crc32c(bytes, position, position + size).toString(16)}`)
      next = base + lastOffsetDeltaAt(bytes, position) + 1
    })
    if (records.length > 0) {
      const times = { startMs, endMs: world.clock.monotonicMs() }
      record({
        type: 'poll',
        process: `read-back-${brokerId}`,
        partition,
        fetchOffset,
        seek,
        isFinal: true,
        records,
        ...times,
      })
      seek = false
    }
    if (next === fetchOffset) return { brokerId, highWatermark: row.highWatermark, batches }
    fetchOffset = next
  }
}

/** What two replicas differ in; null: nothing. */
export function differenceOf(a: Replica, b: Replica): string | null {
  const index = a.batches.findIndex((batch, i) => batch !== b.batches[i])
  if (index < 0 && a.batches.length === b.batches.length) return null
  const at = index < 0 ? a.batches.length : index
  return `broker ${a.brokerId} has batch ${a.batches[at] ?? 'none'}, broker ${b.brokerId} has ${b.batches[at] ?? 'none'}`
}

const unused = { currentLeaderEpoch: -1, lastFetchedEpoch: -1, logStartOffset: -1, replicaDirectoryId: ZERO_UUID }
