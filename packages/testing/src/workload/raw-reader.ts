import { ErrorCode } from '@millrace/protocol/errors'
import {
  fetchRequest,
  fetchResponse,
  type FetchPartition,
  type PartitionData,
} from '@millrace/protocol/messages/01-fetch'
import { emptyOf, ZERO_UUID } from '@millrace/protocol/schema'
import type { World } from '@millrace/runtime/ports'
import type { Operation } from '../checkers/history.ts'
import type { BrokerLinks } from './broker-links.ts'
import { recordsOf } from './fetched-records.ts'
import type { TopicLeaders } from './topic-leaders.ts'

export interface RawReaderOptions {
  readonly process: string
  readonly topic: string
  readonly partitions: number
  readonly brokerIds: readonly number[]
  /** `leader`: names the leader epoch that it believes in. `replica`: each partition from one broker, whoever leads. */
  readonly from: 'leader' | 'replica'
  readonly links: BrokerLinks
  readonly leaders: TopicLeaders
  readonly world: World
  readonly record: (operation: Operation) => void
}

const waitMs = 200
/** Answers are held back until there is so much, or `waitMs` have passed: few and large ones tell as much. */
const fewestBytes = 16 * 1024
const pauseMs = 50
const largestBytes = 8 * 1024 * 1024

/** Reads every partition from the beginning on, one request at a time per broker, and records every answer. */
export class RawReader {
  private readonly options: RawReaderOptions
  private readonly positions: number[]
  private isStopped = false
  private loops: Promise<void>[] = []

  constructor(options: RawReaderOptions) {
    this.options = options
    this.positions = Array<number>(options.partitions).fill(0)
  }

  start(): void {
    this.loops = this.options.brokerIds.map(id => this.readFrom(id))
  }

  async stop(): Promise<void> {
    this.isStopped = true
    await Promise.all(this.loops)
  }

  private async readFrom(brokerId: number): Promise<void> {
    const { world, leaders } = this.options
    while (!this.isStopped) {
      const asked = this.askedOf(brokerId)
      const isRead = asked.length > 0 && (await this.fetch(brokerId, asked))
      if (isRead) continue
      if (this.options.from === 'leader') await leaders.refresh()
      await new Promise<void>(resolve => void world.timers.after(pauseMs, resolve))
    }
  }

  private askedOf(brokerId: number): FetchPartition[] {
    const { partitions, from, leaders, brokerIds } = this.options
    const asked: FetchPartition[] = []
    for (let partition = 0; partition < partitions; partition++) {
      const leader = leaders.of(partition)
      const isHere =
        from === 'leader' ? leader?.brokerId === brokerId : brokerIds[partition % brokerIds.length] === brokerId
      if (!isHere) continue
      asked.push({
        ...{ partition, fetchOffset: this.positions[partition]!, partitionMaxBytes: 1024 * 1024 },
        currentLeaderEpoch: from === 'leader' ? leader!.leaderEpoch : -1,
        ...{ lastFetchedEpoch: -1, logStartOffset: -1, replicaDirectoryId: ZERO_UUID },
      })
    }
    return asked
  }

  /** False when something is not as believed: then leaders are asked for, after a pause. */
  private async fetch(brokerId: number, asked: readonly FetchPartition[]): Promise<boolean> {
    const { links, topic, world } = this.options
    const startMs = world.clock.monotonicMs()
    const request = {
      ...emptyOf(fetchRequest),
      ...{ maxWaitMs: waitMs, minBytes: fewestBytes, maxBytes: largestBytes },
      topics: [{ topic, topicId: ZERO_UUID, partitions: [...asked] }],
    }
    try {
      const { responses } = await links.ask(brokerId, fetchRequest, fetchResponse, request, { version: 12 })
      const endMs = world.clock.monotonicMs()
      let isAsBelieved = true
      for (const row of responses[0]?.partitions ?? []) {
        const question = asked.find(({ partition }) => partition === row.partitionIndex)!
        // Another broker was asked meanwhile, and this answer was on its way for long: a consumer lets go of it, too.
        if (question.fetchOffset !== this.positions[row.partitionIndex]) continue
        if (!this.take(row, question, { startMs, endMs })) isAsBelieved = false
      }
      return isAsBelieved
    } catch {
      return false
    }
  }

  private take(
    row: PartitionData,
    { partition, fetchOffset, currentLeaderEpoch }: FetchPartition,
    times: { readonly startMs: number; readonly endMs: number },
  ): boolean {
    const { from, process, record } = this.options
    const { errorCode, highWatermark } = row
    const isFromLeader = from === 'leader'
    const poll = {
      ...{ type: 'poll' as const, process, partition, fetchOffset, highWatermark, ...times },
      ...(isFromLeader ? { leaderEpoch: currentLeaderEpoch } : {}),
    }
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE && isFromLeader) record({ ...poll, records: [], outOfRange: true })
    if (errorCode !== ErrorCode.NONE) return false
    const records = recordsOf(row.records, fetchOffset)
    // Only leaders must show what they have acknowledged: an empty answer of another replica says nothing.
    if (records.length > 0 || isFromLeader) record({ ...poll, records })
    const last = records.at(-1)
    if (last !== undefined) this.positions[partition] = last[0] + 1
    return true
  }
}
