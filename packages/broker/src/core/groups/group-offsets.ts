import { ErrorCode } from '@millrace/protocol/errors'
import { checkMember } from './classic-group.ts'
import type { GroupEntry, OffsetRecord, TopicPartition } from './entries.ts'
import type { Group } from './group.ts'
import type { MemberIdentity, Moment } from './group-requests.ts'
import { consumerProtocolType } from './subscribed-topics.ts'

export interface CommittedOffset extends TopicPartition {
  readonly value: OffsetRecord
}

export interface OffsetCommitRequest extends MemberIdentity {
  readonly groupId: string
  /** -1: from outside of any group. */
  readonly generationId: number
  /** Checked already: each names a topic that exists, with text that is short enough. */
  readonly offsets: readonly CommittedOffset[]
}

/** May these offsets be committed now (reference 5.7)? */
export function checkCommit(group: Group, request: OffsetCommitRequest): ErrorCode {
  const { generationId, memberId, groupInstanceId } = request
  if (group.is('Dead')) return ErrorCode.COORDINATOR_NOT_AVAILABLE
  if (generationId < 0 && group.is('Empty')) return ErrorCode.NONE
  if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
    const refusal = checkMember(group, request)
    if (refusal !== ErrorCode.NONE) return refusal
    if (generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
  } else if (!group.is('Empty')) return ErrorCode.UNKNOWN_MEMBER_ID
  return group.is('CompletingRebalance') ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
}

/** Everything that the group committed, or is committing. */
export function allOffsets(group: Group): TopicPartition[] {
  const committed = [...group.offsets].flatMap(([topic, partitions]) =>
    [...partitions.keys()].map(partition => ({ topic, partition })),
  )
  const coming = [...group.commitsInFlight.partitions()].filter(
    ({ topic, partition }) => group.offset(topic, partition) === undefined,
  )
  return [...committed, ...coming.map(({ topic, partition }) => ({ topic, partition }))]
}

export function offsetTombstone(groupId: string, { topic, partition }: TopicPartition): GroupEntry {
  return { kind: 'offset', groupId, topic, partition, value: null }
}

/** Of these, who may be deleted: nobody may take an offset from under a consumer that reads the topic (KIP-496). */
export function checkOffsetDeletion(group: Group): {
  readonly errorCode: ErrorCode
  readonly isSubscribed: (topic: string) => boolean
} {
  if (group.is('Dead')) return { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, isSubscribed: () => false }
  if (group.is('Empty')) return { errorCode: ErrorCode.NONE, isSubscribed: () => false }
  if (group.protocolType !== consumerProtocolType) {
    return { errorCode: ErrorCode.NON_EMPTY_GROUP, isSubscribed: () => false }
  }
  const topics = group.subscribedTopics
  return { errorCode: ErrorCode.NONE, isSubscribed: topic => topics === null || topics.has(topic) }
}

/** Offsets whose time is over (KIP-211). Those of a group that is at work on the topic stay. */
export function expiredOffsets(group: Group, now: Moment, retentionMs: number): TopicPartition[] {
  const baseOf = expiryBase(group)
  if (baseOf === null) return []
  const expired: TopicPartition[] = []
  for (const [topic, partitions] of group.offsets) {
    for (const [partition, offset] of partitions) {
      if (group.commitsInFlight.has(topic, partition)) continue
      const base = baseOf(topic, offset)
      if (base === null) continue
      const endMs = offset.expireTimestampMs >= 0 ? offset.expireTimestampMs : base + retentionMs
      if (now.wallMs >= endMs) expired.push({ topic, partition })
    }
  }
  return expired
}

type ExpiryBase = (topic: string, offset: OffsetRecord) => number | null

/** What the retention counts from, per offset; null: it does not expire now. */
function expiryBase(group: Group): ExpiryBase | null {
  if (group.is('Dead')) return null
  if (group.protocolType === null) return (_topic, offset) => offset.commitTimestampMs
  if (group.is('Empty')) {
    const since = group.stateSinceMs
    return (_topic, offset) => (since >= 0 ? since : offset.commitTimestampMs)
  }
  if (!group.is('Stable')) return null
  const topics = group.subscribedTopics
  if (topics === null) return null
  return (topic, offset) => (topics.has(topic) ? null : offset.commitTimestampMs)
}
