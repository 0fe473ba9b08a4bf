import { int64At } from '@millrace/protocol/records/big-endian'
import { groupMetadataKey, groupMetadataValue } from '@millrace/protocol/internal/group-metadata-record'
import { offsetCommitKey, offsetCommitValue } from '@millrace/protocol/internal/offset-commit-record'
import { decodeVersioned, encodeVersioned, versionOf } from '@millrace/protocol/internal/versioned'
import type { GroupEntry, GroupRecord, OffsetRecord } from '../core/groups/entries.ts'
import { offsetBatch } from './offset-batch.ts'
import type { RecordFormat } from './shard-runtime.ts'

/** Keys v0 and v1 are offsets, v2 groups; those of later group protocols are not ours to read. */
const newestOffsetKey = 1
const groupKey = 2

/** Records of __consumer_offsets, as Kafka 3.9 writes them: offsets as v3 (v1 with an expiry of their own), groups as v3. */
export const groupRecordFormat: RecordFormat<GroupEntry> = {
  plainBatch: offsetBatch,

  encode(entry) {
    const { groupId: group } = entry
    if (entry.kind === 'group') {
      return {
        key: encodeVersioned(groupMetadataKey, groupKey, { group }),
        value: entry.value === null ? null : encodeGroup(entry.value),
      }
    }
    const { topic, partition, value } = entry
    return {
      key: encodeVersioned(offsetCommitKey, newestOffsetKey, { group, topic, partition }),
      value: value === null ? null : encodeOffset(value),
    }
  },

  decode(key, value) {
    const version = key.length < 2 ? versionOf(key) : key.readInt16BE(0)
    if (version < 0 || version > groupKey) return null
    if (version === groupKey) {
      const { group: groupId } = decodeVersioned(groupMetadataKey, key).value
      return { kind: 'group', groupId, value: value === null ? null : decodeGroup(value) }
    }
    const { group: groupId, topic, partition } = plainOffsetKey(key) ?? decodeVersioned(offsetCommitKey, key).value
    return { kind: 'offset', groupId, topic, partition, value: value === null ? null : decodeOffset(value) }
  },
}

function encodeOffset(value: OffsetRecord): Buffer {
  const { offset, leaderEpoch, metadata, commitTimestampMs, expireTimestampMs } = value
  const version = expireTimestampMs === -1 ? 3 : 1
  return encodeVersioned(offsetCommitValue, version, {
    offset,
    leaderEpoch,
    metadata,
    commitTimestamp: commitTimestampMs,
    expireTimestamp: expireTimestampMs,
  })
}

/** Keys that begin with more than this are rare. */
const namesBytesMax = 512
/**
 * The key before, up to its partition: what consumers commit in one request has one group and mostly one topic, so their names are there
 * already, with the hashes that maps want.
 */
const before = { bytes: Buffer.allocUnsafeSlow(namesBytesMax), size: 0, group: '', topic: '' }

/**
 * A load is a million of these, so their two layouts are read without a codec. Null for bytes that are not of that layout: the codec
 * says what is wrong with them.
 */
function plainOffsetKey(key: Buffer): { group: string; topic: string; partition: number } | null {
  const namesEnd = key.length - 4
  if (beginsAsBefore(key, namesEnd)) {
    return { group: before.group, topic: before.topic, partition: key.readInt32BE(namesEnd) }
  }
  if (key.length < 10) return null
  const groupEnd = 4 + key.readInt16BE(2)
  if (groupEnd < 4 || groupEnd + 2 > namesEnd) return null
  const topicEnd = groupEnd + 2 + key.readInt16BE(groupEnd)
  if (topicEnd < groupEnd + 2 || topicEnd !== namesEnd) return null
  const group = key.toString('utf8', 4, groupEnd)
  const topic = key.toString('utf8', groupEnd + 2, topicEnd)
  if (namesEnd <= namesBytesMax) {
    key.copy(before.bytes, 0, 0, namesEnd)
    Object.assign(before, { size: namesEnd, group, topic })
  }
  return { group, topic, partition: key.readInt32BE(namesEnd) }
}

/** From the back, where names differ. */
function beginsAsBefore(key: Buffer, namesEnd: number): boolean {
  const { bytes, size } = before
  if (namesEnd !== size || size === 0) return false
  for (let at = size - 1; at >= 0; at--) if (key[at] !== bytes[at]) return false
  return true
}

/** v3: offset, leader epoch, text, time of the commit. */
function plainOffsetValue(bytes: Buffer): OffsetRecord | null {
  if (bytes.length < 24 || bytes.readInt16BE(0) !== 3) return null
  const textLength = bytes.readInt16BE(14)
  if (textLength < 0 || textLength + 24 !== bytes.length) return null
  return {
    offset: int64At(bytes, 2),
    leaderEpoch: bytes.readInt32BE(10),
    metadata: textLength === 0 ? '' : bytes.toString('utf8', 16, 16 + textLength),
    commitTimestampMs: int64At(bytes, 16 + textLength),
    expireTimestampMs: -1,
  }
}

function decodeOffset(bytes: Buffer): OffsetRecord {
  const plain = plainOffsetValue(bytes)
  if (plain !== null) return plain
  const { value } = decodeVersioned(offsetCommitValue, bytes)
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp } = value
  return { offset, leaderEpoch, metadata, commitTimestampMs: commitTimestamp, expireTimestampMs: expireTimestamp }
}

function encodeGroup(value: GroupRecord): Buffer {
  const { protocolType, generation, protocol, leader, currentStateTimestampMs, members } = value
  return encodeVersioned(groupMetadataValue, 3, {
    ...{ protocolType, generation, protocol, leader, currentStateTimestamp: currentStateTimestampMs },
    // Whoever has an assignment to wait for waits for this too: no spreading of objects here.
    members: members.map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.subscription,
      assignment: member.assignment,
    })),
  })
}

/** Byte fields are copied: the bytes they came in go back to the pool. */
function decodeGroup(bytes: Buffer): GroupRecord {
  const { value } = decodeVersioned(groupMetadataValue, bytes)
  const { protocolType, generation, protocol, leader, currentStateTimestamp, members } = value
  return {
    ...{ protocolType, generation, protocol, leader, currentStateTimestampMs: currentStateTimestamp },
    members: members.map(({ rebalanceTimeout, sessionTimeout, subscription, assignment, ...member }) => ({
      ...member,
      rebalanceTimeoutMs: rebalanceTimeout === -1 ? sessionTimeout : rebalanceTimeout,
      sessionTimeoutMs: sessionTimeout,
      subscription: Buffer.from(subscription),
      assignment: Buffer.from(assignment),
    })),
  }
}
