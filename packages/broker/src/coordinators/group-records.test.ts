import { expect, test } from '@jest/globals'
import { offsetCommitKey, offsetCommitValue } from '@millrace/protocol/internal/offset-commit-record'
import { decodeVersioned, encodeVersioned } from '@millrace/protocol/internal/versioned'
import { MalformedMessage } from '@millrace/protocol/malformed-message'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { GroupEntry } from '../core/groups/entries.ts'
import { groupRecordFormat } from './group-records.ts'

const offset = {
  offset: 2 ** 40 + 1,
  leaderEpoch: 7,
  metadata: 'é 日本',
  commitTimestampMs: 1.7e12,
  expireTimestampMs: -1,
}
const member = {
  ...{ memberId: 'm', groupInstanceId: 'i', clientId: 'c', clientHost: '/127.0.0.1' },
  ...{ rebalanceTimeoutMs: 60_000, sessionTimeoutMs: 45_000 },
  ...{ subscription: Buffer.from('s'), assignment: Buffer.from('a') },
}
const group = { protocolType: 'consumer', generation: 3, protocol: 'range', leader: 'm', currentStateTimestampMs: 5 }

test.each<[string, GroupEntry, number | null]>([
  ['offset', { kind: 'offset', groupId: 'g', topic: 'tö', partition: 9, value: offset }, 3],
  [
    'with an end',
    {
      kind: 'offset',
      groupId: '',
      topic: 't',
      partition: 0,
      value: { ...offset, leaderEpoch: -1, expireTimestampMs: 8 },
    },
    1,
  ],
  ['no offset', { kind: 'offset', groupId: 'g', topic: 't', partition: 9, value: null }, null],
  ['group', { kind: 'group', groupId: 'g', value: { ...group, members: [member] } }, 3],
  ['empty group', { kind: 'group', groupId: 'g', value: { ...group, protocol: null, leader: null, members: [] } }, 3],
  ['no group', { kind: 'group', groupId: 'g', value: null }, null],
])('%s: comes back as it was written, in the version that Kafka 3.9 writes', (_, entry, version) => {
  const { key, value } = groupRecordFormat.encode(entry)
  expect(groupRecordFormat.decode(key, value)).toEqual(entry)
  expect(value?.readInt16BE(0) ?? null).toBe(version)
})

test('offset: read without a codec it is what the codec reads', () => {
  const entry: GroupEntry = { kind: 'offset', groupId: 'grüppe', topic: 't', partition: 3, value: offset }
  const { key, value } = groupRecordFormat.encode(entry)
  expect(decodeVersioned(offsetCommitKey, key).value).toEqual({ group: 'grüppe', topic: 't', partition: 3 })
  const { expireTimestampMs: expireTimestamp, commitTimestampMs: commitTimestamp, ...rest } = offset
  expect(decodeVersioned(offsetCommitValue, value!).value).toEqual({ ...rest, commitTimestamp, expireTimestamp })
})

test.each([0, 1, 2, 3, 4])('offset value v%d: is read', version => {
  const { key } = groupRecordFormat.encode({ kind: 'offset', groupId: 'g', topic: 't', partition: 0, value: null })
  const value = { offset: 5, leaderEpoch: -1, metadata: 'x', commitTimestamp: 6, expireTimestamp: -1 }
  const entry = groupRecordFormat.decode(key, encodeVersioned(offsetCommitValue, version, value))
  expect(entry?.value).toMatchObject({ offset: 5, metadata: 'x', commitTimestampMs: 6 })
})

test('damaged, or of another kind: refused, or left alone', () => {
  const { key, value } = groupRecordFormat.encode({
    kind: 'offset',
    groupId: 'g',
    topic: 't',
    partition: 0,
    value: offset,
  })
  expect(() => groupRecordFormat.decode(key.subarray(0, -1), value)).toThrow(MalformedMessage)
  expect(() => groupRecordFormat.decode(key, value!.subarray(0, -1))).toThrow(MalformedMessage)
  expect(groupRecordFormat.decode(Buffer.from([0, 3, 1]), value)).toBeNull()
})

test('keys in turn that have all, some or none of their names in common: each is what the codec reads', () => {
  const random = new SeededRandom(11)
  const groups = ['g', 'h', 'gg', 'g'.repeat(600), '']
  const topics = ['g', 't', 'tg', 't'.repeat(249)]
  for (let count = 0; count < 2000; count++) {
    const group = groups[random.below(groups.length)]!
    const topic = topics[random.below(topics.length)]!
    const key = encodeVersioned(offsetCommitKey, random.below(2), { group, topic, partition: random.below(3) })
    const { partition } = decodeVersioned(offsetCommitKey, key).value
    expect(groupRecordFormat.decode(key, null)).toEqual({
      kind: 'offset',
      groupId: group,
      topic,
      partition,
      value: null,
    })
    if (count % 100 === 0) expect(() => groupRecordFormat.decode(key.subarray(0, -1), null)).toThrow(MalformedMessage)
  }
})

test('offsets in one pass: byte for byte what the message rows and the batch builder make of them', () => {
  const random = new SeededRandom(23)
  const texts = ['', 'g', 'grüppe', '日本', 'g'.repeat(41), 'ä'.repeat(40), 'x'.repeat(4096), 'm'.repeat(0x7fff)]
  const text = (): string => texts[random.below(texts.length)]!
  const timestamp = 1.7e12
  let shortCuts = 0
  for (let round = 0; round < 300; round++) {
    const entries: GroupEntry[] = Array.from({ length: 1 + random.below(random.below(20) === 0 ? 200 : 4) }, () => ({
      ...{ kind: 'offset', groupId: text(), topic: text(), partition: random.below(2 ** 31) },
      value:
        random.below(4) === 0
          ? null
          : {
              ...{ offset: random.below(2 ** 31) * random.below(2 ** 21), leaderEpoch: random.below(3) - 1 },
              ...{ metadata: text(), commitTimestampMs: timestamp - random.below(5), expireTimestampMs: -1 },
            },
    }))
    if (random.below(10) === 0) entries.push({ kind: 'group', groupId: 'g', value: null })
    const records = entries.map(entry => ({ timestamp, ...groupRecordFormat.encode(entry) }))
    const batch = groupRecordFormat.plainBatch(entries, timestamp)
    expect(batch === null).toBe(entries.some(({ kind }) => kind === 'group'))
    if (batch === null) continue
    shortCuts++
    expect(batch.equals(buildBatch(records))).toBe(true)
  }
  expect(shortCuts).toBeGreaterThan(200)
})

test('offsets in one pass: not for an end of its own, nor for a text that has no length of two bytes', () => {
  const of = (fields: object): GroupEntry[] => [
    { kind: 'offset', groupId: 'g', topic: 't', partition: 0, value: { ...offset, ...fields } },
  ]
  expect(groupRecordFormat.plainBatch(of({}), 1)).not.toBeNull()
  expect(groupRecordFormat.plainBatch(of({ expireTimestampMs: 8 }), 1)).toBeNull()
  expect(groupRecordFormat.plainBatch(of({ metadata: 'ä'.repeat(0x4000) }), 1)).toBeNull()
})
