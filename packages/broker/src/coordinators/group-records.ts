import { groupMetadataKey, groupMetadataValue } from '@millrace/protocol/internal/group-metadata-record'
import { offsetCommitKey, offsetCommitValue } from '@millrace/protocol/internal/offset-commit-record'
import { decodeVersioned, encodeVersioned, versionOf } from '@millrace/protocol/internal/versioned'
import type { GroupEntry, GroupRecord, OffsetRecord } from '../core/groups/entries.ts'
import type { RecordFormat } from './shard-runtime.ts'

/** Keys v0 and v1 are offsets, v2 groups; those of later group protocols are not ours to read. */
const newestOffsetKey = 1
const groupKey = 2

/** Records of __consumer_offsets, as Kafka 3.9 writes them: offsets as v3 (v1 with an expiry of their own), groups as v3. */
export const groupRecordFormat: RecordFormat<GroupEntry> = {
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
    const version = versionOf(key)
    if (version < 0 || version > groupKey) return null
    if (version === groupKey) {
      const { group: groupId } = decodeVersioned(groupMetadataKey, key).value
      return { kind: 'group', groupId, value: value === null ? null : decodeGroup(value) }
    }
    const { group: groupId, topic, partition } = decodeVersioned(offsetCommitKey, key).value
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

function decodeOffset(bytes: Buffer): OffsetRecord {
  const { value } = decodeVersioned(offsetCommitValue, bytes)
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp } = value
  return { offset, leaderEpoch, metadata, commitTimestampMs: commitTimestamp, expireTimestampMs: expireTimestamp }
}

function encodeGroup(value: GroupRecord): Buffer {
  const { protocolType, generation, protocol, leader, currentStateTimestampMs, members } = value
  return encodeVersioned(groupMetadataValue, 3, {
    ...{ protocolType, generation, protocol, leader, currentStateTimestamp: currentStateTimestampMs },
    members: members.map(({ rebalanceTimeoutMs, sessionTimeoutMs, ...member }) => ({
      ...member,
      rebalanceTimeout: rebalanceTimeoutMs,
      sessionTimeout: sessionTimeoutMs,
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
