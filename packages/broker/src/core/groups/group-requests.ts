import type { ErrorCode } from '@millrace/protocol/errors'

/** Both clocks, as one moment: deadlines count the one, records carry the other. */
export interface Moment {
  readonly monotonicMs: number
  readonly wallMs: number
}

export interface GroupSettings {
  readonly minSessionTimeoutMs: number
  readonly maxSessionTimeoutMs: number
  readonly initialRebalanceDelayMs: number
  /** Most members of a group. */
  readonly maxSize: number
  /** Bytes of the text that comes with an offset. */
  readonly offsetMetadataMaxBytes: number
  readonly offsetsRetentionMs: number
}

/** Of a request: `metadata` is a view of its bytes, good for as long as the step. Who keeps it, copies it. */
export interface GroupProtocol {
  readonly name: string
  readonly metadata: Buffer
}

export interface JoinRequest {
  readonly groupId: string
  /** Empty: none yet. */
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocolType: string
  readonly protocols: readonly GroupProtocol[]
  /** The id of the member if it has none yet: chance is the caller's. */
  readonly freshMemberId: string
  /** v4 and up (KIP-394): a new dynamic member is first told its id, then joins with it. */
  readonly requiresKnownMemberId: boolean
  /** v9 and up (KIP-814). */
  readonly supportsSkippingAssignment: boolean
}

export interface JoinReply {
  readonly errorCode: ErrorCode
  readonly generationId: number
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly leader: string
  readonly skipAssignment: boolean
  readonly memberId: string
  /** For the leader only. */
  readonly members: readonly JoinedMember[]
}

export interface JoinedMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly metadata: Buffer
}

export interface MemberIdentity {
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface SyncRequest extends MemberIdentity {
  readonly groupId: string
  readonly generationId: number
  /** Null before v5. */
  readonly protocolType: string | null
  readonly protocolName: string | null
  /** Views too. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]
}

export interface SyncReply {
  readonly errorCode: ErrorCode
  readonly protocolType: string | null
  readonly protocolName: string | null
  readonly assignment: Buffer
}

export interface HeartbeatRequest extends MemberIdentity {
  readonly groupId: string
  readonly generationId: number
}

/** What a parked request is told. */
export type GroupReply = JoinReply | SyncReply | OffsetCommitReply | DeletionReply

/** One code for all partitions that were to be written. */
export interface OffsetCommitReply {
  readonly errorCode: ErrorCode
  /** Nothing was tried: the group does not take offsets from whoever this is, or not now. */
  readonly isRefused: boolean
}

export interface DeletionReply {
  readonly errorCode: ErrorCode
}

export const nothing = Buffer.alloc(0)

export function joinRefused(errorCode: ErrorCode, memberId: string): JoinReply {
  return {
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  }
}

export function syncRefused(errorCode: ErrorCode): SyncReply {
  return { errorCode, protocolType: null, protocolName: null, assignment: nothing }
}
