import { expect, test } from '@jest/globals'
import { MalformedMessage } from '../malformed-message.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from './consumer-metadata.ts'
import { groupMetadataKey } from './group-metadata-record.ts'
import { decodeStickyUserData, encodeStickyUserData } from './sticky-user-data.ts'
import { decodeVersioned, encodeVersioned, versionOf } from './versioned.ts'

const subscription = {
  topics: ['b', 'a'],
  userData: null,
  ownedPartitions: [
    { topic: 'b', partition: 2 },
    { topic: 'a', partition: 1 },
    { topic: 'b', partition: 0 },
  ],
  generationId: 4,
  rackId: 'r',
}

test('subscription: topics and owned partitions in any order: sorted', () => {
  const decoded = decodeSubscription(encodeSubscription(3, subscription))
  expect(decoded).toEqual({
    topics: ['a', 'b'],
    userData: null,
    ownedPartitions: [
      { topic: 'a', partitions: [1] },
      { topic: 'b', partitions: [0, 2] },
    ],
    generationId: 4,
    rackId: 'r',
  })
})

test('subscription: later version with more fields: read as far as we know it', () => {
  const bytes = Buffer.concat([encodeSubscription(3, subscription), Buffer.from('more')])
  bytes.writeInt16BE(9, 0)
  expect(decodeSubscription(bytes).generationId).toBe(4)
})

test('subscription: negative version and nothing at all: MalformedMessage', () => {
  expect(() => decodeSubscription(Buffer.from('ffff', 'hex'))).toThrow('unknown version -1')
  expect(() => decodeSubscription(Buffer.alloc(0))).toThrow(MalformedMessage)
})

test('assignment: partitions keep their order, topics that of their first', () => {
  const partitions = [...subscription.ownedPartitions]
  expect(decodeAssignment(encodeAssignment(1, partitions, null)).assignedPartitions).toEqual([
    { topic: 'b', partitions: [2, 0] },
    { topic: 'a', partitions: [1] },
  ])
})

test('sticky user data: either version', () => {
  const value = { previousAssignment: [{ topic: 'a', partitions: [1] }], generation: 6 }
  const bytes = encodeStickyUserData(value)
  expect(decodeStickyUserData(bytes)).toEqual(value)
  expect(decodeStickyUserData(bytes.subarray(0, -4))).toEqual({ ...value, generation: -1 })
})

test('versioned: unknown version, bytes left over: MalformedMessage', () => {
  const bytes = encodeVersioned(groupMetadataKey, 2, { group: 'g' })
  expect(versionOf(bytes)).toBe(2)
  expect(decodeVersioned(groupMetadataKey, bytes)).toEqual({ version: 2, value: { group: 'g' } })
  expect(() => decodeVersioned(groupMetadataKey, Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow('1 bytes left over')
  bytes.writeInt16BE(3, 0)
  expect(() => decodeVersioned(groupMetadataKey, bytes)).toThrow('GroupMetadataKey: unknown version 3')
})
