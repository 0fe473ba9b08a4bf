import { decompress, compress, type CodecName } from '../compression/codec.ts'
import { CorruptPayload } from '../compression/corrupt-payload.ts'
import { buildBatch } from '../records/batch-builder.ts'
import { describeBatches } from '../records/batch-description.ts'
import { BatchCursor } from '../records/batch-cursor.ts'
import { MalformedRecords } from '../records/malformed-records.ts'
import { buildMessageSet } from '../records/message-set-builder.ts'
import { openPayload } from '../records/payload.ts'
import { codecAt, isCrcValidAt, updateCrc } from '../records/record-batch.ts'
import { walkRecords } from '../records/record-walk.ts'
import type { Chance } from './chance.fuzz.ts'
import { mutate } from './mutate.fuzz.ts'
import { mustEqual, refusedOr, type Target } from './target.fuzz.ts'

/** What decompression may make of a few hundred bytes here. */
const BOUND = 64 * 1024
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const refusals = [MalformedRecords, CorruptPayload]

export const recordTargets: readonly Target[] = [
  { name: 'record batches', attempt: attemptBatch },
  { name: 'message sets', attempt: attemptMessageSet },
  { name: 'compression', attempt: attemptCompression },
]

function attemptBatch(chance: Chance): void {
  const codec = chance.of(codecs)
  const records = randomRecords(chance)
  const bytes = buildBatch(records, { codec, baseOffset: chance.below(1000), isTransactional: chance.is(0.2) })
  mustEqual(isCrcValidAt(bytes, 0), true, 'CRC of a fresh batch')
  const [described] = describeBatches(bytes, BOUND)
  const read = described!.records(BOUND).map(({ timestamp, key, value }) => ({ timestamp, key, value }))
  mustEqual(
    read,
    records.map(({ timestamp, key, value }) => ({ timestamp, key, value })),
    `batch with ${codec}`,
  )
  for (let left = 4; left > 0; left--) readEverything(mutate(bytes, chance))
}

function attemptMessageSet(chance: Chance): void {
  const codec = chance.of(['none', 'gzip', 'snappy', 'lz4'] as const)
  const messages = randomRecords(chance).map((record, offset) => ({ ...record, offset }))
  if (messages.length === 0) return
  const bytes = buildMessageSet(messages, { magic: chance.is(0.5) ? 0 : 1, codec })
  const read = describeBatches(bytes, BOUND).flatMap(each => each.records(BOUND))
  mustEqual(
    read.map(({ offset, key, value }) => ({ offset, key, value })),
    messages.map(({ offset, key, value }) => ({ offset, key, value })),
    `message set with ${codec}`,
  )
  for (let left = 4; left > 0; left--) readEverything(mutate(bytes, chance))
}

/** As a stranger's: with the checksum that it came with, and once more with one that is right. */
function readEverything(bytes: Buffer): void {
  refusedOr(refusals, () => describeBatches(bytes, BOUND).map(each => each.records(BOUND)))
  const cursor = new BatchCursor(bytes)
  while (cursor.next()) {
    if (cursor.magic !== 2) continue
    isCrcValidAt(bytes, cursor.position)
    updateCrc(bytes, cursor.position)
    refusedOr(refusals, () => {
      const payload = codecAt(bytes, cursor.position) === 0 ? null : openPayload(bytes, cursor.position, BOUND)
      if (payload !== null && payload.length > BOUND) throw new Error(`${payload.length} bytes, ${BOUND} were allowed`)
      return walkRecords(bytes, cursor.position, payload)
    })
  }
}

function attemptCompression(chance: Chance): void {
  const codec: CodecName = chance.of(codecs)
  const plain = chance.is(0.5) ? chance.bytes(chance.below(600)) : Buffer.alloc(chance.below(5000), chance.bytes(7))
  const bytes = Buffer.from(compress(codec, plain))
  mustEqual(Buffer.from(decompress(codec, bytes, plain.length)), plain, codec)
  for (let left = 4; left > 0; left--) {
    const mutant = mutate(bytes, chance)
    const bound = chance.is(0.5) ? BOUND : plain.length
    const opened = refusedOr([CorruptPayload], () => decompress(codec, mutant, bound))
    if (opened !== undefined && opened.length > bound)
      throw new Error(`${codec}: ${opened.length} bytes, ${bound} were allowed`)
  }
}

interface RandomRecord {
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: { readonly key: string; readonly value: Buffer | null }[]
}

function randomRecords(chance: Chance): RandomRecord[] {
  const bytes = (): Buffer | null => (chance.is(0.2) ? null : chance.bytes(chance.below(60)))
  return Array.from({ length: 1 + chance.below(8) }, () => ({
    timestamp: 1_700_000_000_000 + chance.below(100_000),
    key: bytes(),
    value: bytes(),
    headers: Array.from({ length: chance.below(3) }, () => ({ key: 'h'.repeat(chance.below(9)), value: bytes() })),
  }))
}
