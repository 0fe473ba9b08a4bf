import { ErrorCode } from '@millrace/protocol/errors'
import type { CodecName } from '@millrace/protocol/compression/codec'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { produceOf } from '@millrace/testing/data-path/requests'
import { nodeWorld } from '@millrace/runtime/node/world'
import { BrokerLinks } from '@millrace/testing/workload/broker-links'
import { SeededRandom } from '@millrace/testing/world/seeded-random'

interface Write {
  /** Larger: sent later. */
  readonly number: number
  readonly isTombstone: boolean
  /** Null: nobody knows what became of it. */
  readonly offset: number | null
}

/** A record as a consumer got it. */
export interface SeenRecord {
  readonly offset: number
  readonly key: string
  /** Null: a tombstone. */
  readonly value: string | null
}

const codecs: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const keyCount = 150

/**
 * One writer per partition of a topic with one broker: keyed records and tombstones in batches of all codecs, acks=all, one request at a time,
 * none sent twice. Knows what a consumer of the compacted topic has to find.
 */
export class KeyedLoad {
  /** By partition: one behind the last record that was acknowledged. */
  readonly ackedEnds: number[]
  ackedCount = 0
  private readonly topic: string
  private readonly links: BrokerLinks
  private readonly world = nodeWorld()
  private readonly writes: Map<string, Write[]>[]
  private readonly writers: Promise<void>[]
  private isOver = false

  constructor(topic: string, partitions: number, port: number, seed: number) {
    this.topic = topic
    this.links = new BrokerLinks({
      ...{ brokers: () => [{ id: 1, port, isRunning: true }], world: this.world, clientId: 'keyed-load' },
      ...{ connectTimeoutMs: 1000, requestTimeoutMs: 5000 },
    })
    this.ackedEnds = Array<number>(partitions).fill(0)
    this.writes = this.ackedEnds.map(() => new Map())
    this.writers = this.ackedEnds.map((_, partition) => this.write(partition, new SeededRandom(seed * 100 + partition)))
  }

  async stop(): Promise<void> {
    this.isOver = true
    await Promise.all(this.writers)
    await this.links.close()
  }

  /**
   * What is wrong with what a consumer saw from the beginning to the end: of each key it must have seen the last acknowledged write as the last
   * one, or a later one that nobody acknowledged.
   */
  complaints(partition: number, seen: readonly SeenRecord[]): string[] {
    const complaints: string[] = []
    const last = new Map<string, SeenRecord>()
    let lastOffset = -1
    for (const record of seen) {
      if (record.offset <= lastOffset) complaints.push(`${record.offset} after ${lastOffset}`)
      lastOffset = record.offset
      last.set(record.key, record)
    }
    for (const key of last.keys()) if (!this.writes[partition]!.has(key)) complaints.push(`${key} was never written`)
    for (const [key, writes] of this.writes[partition]!) {
      const acked = writes.findLast(({ offset }) => offset !== null)
      const later = writes.filter(({ number, offset }) => offset === null && number > (acked?.number ?? -1))
      const found = last.get(key)
      const isRight = [...(acked === undefined ? [] : [acked]), ...later].some(write => isWrite(write, found))
      if (isRight || (acked === undefined && found === undefined)) continue
      complaints.push(`${key}: ${JSON.stringify(found)} instead of ${JSON.stringify([acked, ...later])}`)
    }
    return complaints
  }

  private async write(partition: number, random: SeededRandom): Promise<void> {
    for (let number = 0; !this.isOver;) {
      const records = Array.from({ length: 1 + random.below(20) }, () => ({
        key: `key-${random.below(keyCount)}`,
        number: number++,
        isTombstone: random.below(6) === 0,
      }))
      const codec = codecs[random.below(codecs.length)]!
      const timestamp = this.world.clock.wallMs()
      const batch = buildBatch(
        records.map(({ key, number: value, isTombstone }) => ({
          timestamp,
          key: Buffer.from(key),
          value: isTombstone ? null : Buffer.from(`${value} ${'x'.repeat(random.below(200))}`),
        })),
        { codec },
      )
      const baseOffset = await this.send(partition, batch)
      records.forEach(({ key, number: sent, isTombstone }, index) => {
        const writes = this.writes[partition]!.get(key) ?? []
        this.writes[partition]!.set(key, writes)
        writes.push({ number: sent, isTombstone, offset: baseOffset === null ? null : baseOffset + index })
      })
      if (baseOffset === null) {
        await new Promise<void>(resolve => void this.world.timers.after(20, resolve))
        continue
      }
      this.ackedCount += records.length
      this.ackedEnds[partition] = baseOffset + records.length
      // Else the broker of a short test would do nothing but append.
      await new Promise<void>(resolve => void this.world.timers.after(2, resolve))
    }
  }

  /** The first offset; null when it was not acknowledged. */
  private async send(partition: number, batch: Buffer): Promise<number | null> {
    try {
      const request = produceOf(this.topic, batch, { partition, timeoutMs: 5000 })
      const { responses } = await this.links.ask(1, produceRequest, produceResponse, request)
      const row = responses[0]?.partitionResponses[0]
      return row?.errorCode === ErrorCode.NONE ? row.baseOffset : null
    } catch {
      return null
    }
  }
}

function isWrite({ number, isTombstone, offset }: Write, found: SeenRecord | undefined): boolean {
  // A tombstone may be gone already.
  if (found === undefined) return isTombstone
  if (offset !== null && found.offset !== offset) return false
  return isTombstone ? found.value === null : found.value?.startsWith(`${number} `) === true
}
