import { expect, test } from '@jest/globals'
import { compress } from '../compression/codec.ts'
import { CorruptPayload } from '../compression/corrupt-payload.ts'
import { buildMessageSet } from './message-set-builder.ts'
import { isMessageCrcValidAt, messageTimestampAt, readMessage } from './message-set.ts'
import { MalformedRecords } from './malformed-records.ts'
import { TimestampType, setBaseOffset } from './record-batch.ts'

const LIMIT = 1 << 20
const messages = [5, 6, 9].map(offset => ({
  offset,
  timestamp: 1000 - offset,
  key: null,
  value: Buffer.from(`m${offset}`),
}))
const codecs = ['gzip', 'snappy', 'lz4'] as const
const plain = (set: Buffer, position = 0): unknown[] =>
  readMessage(set, position, LIMIT).map(({ offset, timestamp, key, value }) => ({ offset, timestamp, key, value }))

test.each(codecs)('message set: magic 0 and 1 wrapped by %s: the messages that went in', codec => {
  const old = buildMessageSet(messages, { magic: 0, codec })
  expect(plain(old)).toEqual(messages.map(each => ({ ...each, timestamp: -1 })))
  const newer = buildMessageSet(messages, { magic: 1, codec })
  expect(plain(newer)).toEqual(messages)
  expect([isMessageCrcValidAt(old, 0), isMessageCrcValidAt(newer, 0), messageTimestampAt(newer, 0)]).toEqual([
    true,
    true,
    995,
  ])
})

test('message set: wrapper moved by a broker: the inner offsets move along', () => {
  const set = buildMessageSet(messages, { magic: 1, codec: 'gzip' })
  setBaseOffset(set, 0, 1009)
  expect(readMessage(set, 0, LIMIT).map(each => each.offset)).toEqual([1005, 1006, 1009])
})

test('message set: wrapper at offset 0, as librdkafka wrote it: offsets as they are inside', () => {
  const set = buildMessageSet(messages, { magic: 1, codec: 'gzip' })
  setBaseOffset(set, 0, 0)
  expect(readMessage(set, 0, LIMIT).map(each => each.offset)).toEqual([0, 1, 4])
})

test('message set: wrapper with log append time: all take its timestamp', () => {
  const set = buildMessageSet(messages, { magic: 1, codec: 'snappy', timestampType: TimestampType.LogAppendTime })
  expect(readMessage(set, 0, LIMIT).map(each => each.timestamp)).toEqual([995, 995, 995])
})

test('message set: a wrapper inside a wrapper, another magic inside, nothing inside, too low an offset: refused', () => {
  const wrapper = buildMessageSet(messages, { magic: 1, codec: 'gzip' })
  const nested = buildMessageSet([{ offset: 9, timestamp: 1, key: null, value: null }], { magic: 1 })
  const wrap = (inner: Buffer, offset = 9): Buffer => {
    // A message whose value is the set, then the codec bit: the CRC is the caller's business and is left wrong.
    const outer = buildMessageSet([{ offset, timestamp: 1, key: null, value: compress('gzip', inner) }], { magic: 1 })
    outer[17] = 1
    return outer
  }
  expect(() => readMessage(wrap(wrapper), 0, LIMIT)).toThrow('a wrapper inside a wrapper')
  expect(() => readMessage(wrap(buildMessageSet(messages, { magic: 0 })), 0, LIMIT)).toThrow('magic 0 inside magic 1')
  expect(() => readMessage(wrap(Buffer.alloc(0)), 0, LIMIT)).toThrow('a wrapper without messages')
  expect(() => readMessage(wrap(nested, 3), 0, LIMIT)).toThrow(MalformedRecords)
  const zstd = wrap(wrapper)
  zstd[17] = 4
  expect(() => readMessage(zstd, 0, LIMIT)).toThrow(CorruptPayload)
})

test('message set: key or value longer than the message: refused', () => {
  const set = buildMessageSet(messages.slice(0, 1), { magic: 1 })
  for (const [at, length] of [
    [26, 100],
    [30, 3],
    [26, 0x7fffffff],
    [30, 0x7fffffff],
  ] as const) {
    const broken = Buffer.from(set)
    broken.writeInt32BE(length, at)
    expect(() => readMessage(broken, 0, LIMIT)).toThrow(MalformedRecords)
  }
})

test('message set: a wrapper that unpacks to more than allowed: CorruptPayload', () => {
  const bomb = buildMessageSet([{ offset: 0, timestamp: 1, key: null, value: Buffer.alloc(100_000) }], {
    magic: 1,
    codec: 'lz4',
  })
  expect(() => readMessage(bomb, 0, 10_000)).toThrow(CorruptPayload)
})
