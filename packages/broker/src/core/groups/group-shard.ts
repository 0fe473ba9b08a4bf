import { ErrorCode } from '@millrace/protocol/errors'
import { ClassicGroup } from './classic-group.ts'
import type { GroupEntry, OffsetRecord, TopicPartition } from './entries.ts'
import { Group } from './group.ts'
import { loadedGroup } from './loaded-group.ts'
import {
  allOffsets,
  checkCommit,
  checkOffsetDeletion,
  expiredOffsets,
  offsetTombstone,
  type OffsetCommitRequest,
} from './group-offsets.ts'
import {
  joinRefused,
  syncRefused,
  type GroupSettings,
  type HeartbeatRequest,
  type JoinRequest,
  type MemberIdentity,
  type Moment,
  type SyncRequest,
} from './group-requests.ts'
import { joinTimer, memberOfTimer, memberTimer, syncTimer } from './rebalance.ts'
import { Step, type Effects, type Write } from './step.ts'
import { TransactionalOffsets } from './transactional-offsets.ts'
import { groupWriteError, offsetWriteError } from './write-errors.ts'

/**
 * The groups of one partition of __consumer_offsets. Requests, timers and written records come in, each as one step; `take`
 * answers what the shell has to do. What is in the log changes by `replay` alone, once it is committed: loading and serving
 * walk the same code.
 */
export class GroupShard {
  readonly #settings: GroupSettings
  readonly #step = new Step()
  readonly #classic: ClassicGroup
  readonly #groups = new Map<string, Group>()
  readonly #transactional = new TransactionalOffsets()
  /** What `onLoaded` has yet to look at; null: it is not under way. */
  #unfinished: Iterator<Group> | null = null

  constructor(settings: GroupSettings) {
    this.#settings = settings
    this.#classic = new ClassicGroup(settings, this.#step)
  }

  /** Is there anything to take? Most heartbeats ask for nothing. */
  get hasEffects(): boolean {
    return !this.#step.isEmpty
  }

  /** What the steps since the last call asked for. */
  take(): Effects {
    return this.#step.take()
  }

  get groups(): ReadonlyMap<string, Group> {
    return this.#groups
  }

  join(request: JoinRequest, token: number, now: Moment): void {
    const { sessionTimeoutMs, groupId, memberId } = request
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#settings
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      this.#step.reply(token, joinRefused(ErrorCode.INVALID_SESSION_TIMEOUT, memberId))
      return
    }
    let group = this.#groups.get(groupId)
    if (group === undefined && memberId === '') group = this.#create(groupId, now)
    if (group === undefined) this.#step.reply(token, joinRefused(ErrorCode.UNKNOWN_MEMBER_ID, memberId))
    else this.#classic.join(group, request, token, now)
  }

  sync(request: SyncRequest, token: number, now: Moment): void {
    const group = this.#groups.get(request.groupId)
    if (group === undefined) this.#step.reply(token, syncRefused(ErrorCode.UNKNOWN_MEMBER_ID))
    else this.#classic.sync(group, request, token, now)
  }

  heartbeat(request: HeartbeatRequest, now: Moment): ErrorCode {
    const group = this.#groups.get(request.groupId)
    return group === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : this.#classic.heartbeat(group, request, now)
  }

  /** One code per member; a code alone is for the whole request. */
  leave(groupId: string, members: readonly MemberIdentity[], now: Moment): ErrorCode | ErrorCode[] {
    const group = this.#groups.get(groupId)
    if (group === undefined) return members.map(() => ErrorCode.UNKNOWN_MEMBER_ID)
    if (group.is('Dead')) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return members.map(identity => this.#classic.leave(group, identity, now))
  }

  /** Replies to `token` when the offsets are written. */
  commitOffsets(request: OffsetCommitRequest, token: number, now: Moment): void {
    const { groupId, offsets } = request
    let group = this.#groups.get(groupId)
    if (group === undefined && request.generationId < 0) group = this.#create(groupId, now)
    const refusal = group === undefined ? ErrorCode.ILLEGAL_GENERATION : checkCommit(group, request)
    const member = group?.members.get(request.memberId)
    const isHeard = refusal === ErrorCode.NONE || refusal === ErrorCode.REBALANCE_IN_PROGRESS
    if (group !== undefined && member !== undefined && isHeard) this.#classic.rebalance.keepAlive(group, member, now)
    if (group === undefined || refusal !== ErrorCode.NONE || offsets.length === 0) {
      this.#step.reply(token, { errorCode: refusal, isRefused: refusal !== ErrorCode.NONE })
      return
    }
    const { commitsInFlight } = group
    commitsInFlight.begin(offsets)
    const entries = offsets.map(
      ({ topic, partition, value }) => ({ kind: 'offset', groupId, topic, partition, value }) as const,
    )
    this.#step.write(entries, errorCode => {
      commitsInFlight.end(offsets)
      this.#step.reply(token, { errorCode: offsetWriteError(errorCode), isRefused: false })
    })
  }

  /** Undefined: nothing is committed there. */
  offset(groupId: string, topic: string, partition: number): OffsetRecord | undefined {
    const group = this.#groups.get(groupId)
    return group === undefined || group.is('Dead') ? undefined : group.offset(topic, partition)
  }

  /** Another one is on its way: a transaction's, or one that is being written. Who asks for stable offsets has to wait (KIP-447). */
  isUnstable(groupId: string, topic: string, partition: number): boolean {
    const group = this.#groups.get(groupId)
    if (group === undefined || group.is('Dead')) return false
    return group.commitsInFlight.has(topic, partition) || this.#transactional.isOpen(groupId, { topic, partition })
  }

  /** Replies to `token` when the tombstones are written. */
  deleteGroup(groupId: string, token: number, now: Moment): void {
    const group = this.#groups.get(groupId)
    if (group === undefined || group.is('Dead')) this.#step.reply(token, { errorCode: ErrorCode.GROUP_ID_NOT_FOUND })
    else if (!group.is('Empty')) this.#step.reply(token, { errorCode: ErrorCode.NON_EMPTY_GROUP })
    else this.#bury(group, now, errorCode => this.#step.reply(token, { errorCode: groupWriteError(errorCode) }))
  }

  /** Replies to `token` when the tombstones are written. Answers the topics that a member reads: those offsets stay. */
  deleteOffsets(groupId: string, partitions: readonly TopicPartition[], token: number, now: Moment): Set<string> {
    const group = this.#groups.get(groupId)
    const unknown = { errorCode: ErrorCode.GROUP_ID_NOT_FOUND, isSubscribed: () => false }
    const { errorCode, isSubscribed } = group === undefined ? unknown : checkOffsetDeletion(group)
    if (group === undefined || errorCode !== ErrorCode.NONE) {
      this.#step.reply(token, { errorCode })
      return new Set()
    }
    const read = new Set(partitions.map(({ topic }) => topic).filter(isSubscribed))
    const asked = new Set(partitions.map(({ topic, partition }) => `${partition} ${topic}`))
    const gone = allOffsets(group).filter(
      ({ topic, partition }) => !read.has(topic) && asked.has(`${partition} ${topic}`),
    )
    const reply = (code: ErrorCode): void => this.#step.reply(token, { errorCode: offsetWriteError(code) })
    if (partitions.length === 0) reply(ErrorCode.NONE)
    else this.#deleteOffsets(group, gone, now, reply)
    return read
  }

  /** The topics are gone: so are the offsets in them. */
  onPartitionsDeleted(partitions: readonly TopicPartition[], now: Moment): void {
    const deleted = new Set(partitions.map(({ topic, partition }) => `${partition} ${topic}`))
    for (const group of this.#groups.values()) {
      const gone = allOffsets(group).filter(({ topic, partition }) => deleted.has(`${partition} ${topic}`))
      if (gone.length > 0 && !group.is('Dead')) this.#deleteOffsets(group, gone, now, () => {})
    }
  }

  /** Forgets offsets whose retention is over, and groups that have neither members nor offsets. */
  expireOffsets(now: Moment): void {
    for (const group of this.#groups.values()) {
      if (group.is('Dead')) continue
      const expired = expiredOffsets(group, now, this.#settings.offsetsRetentionMs).filter(
        each => !this.#transactional.isOpen(group.groupId, each),
      )
      this.#deleteOffsets(group, expired, now, () => {})
    }
  }

  onTimer(groupId: string, key: string, now: Moment): void {
    const group = this.#groups.get(groupId)
    if (group === undefined || group.is('Dead')) return
    const { rebalance } = this.#classic
    if (key === joinTimer) rebalance.onJoinTimer(group, now)
    else if (key === syncTimer) rebalance.onSyncTimer(group, now)
    else this.#classic.onMemberTimer(group, memberOfTimer(key), now)
  }

  /** The write is committed (replay its entries first) or failed. */
  onWritten(write: Write, errorCode: ErrorCode, now: Moment): void {
    write.finish(errorCode, now)
  }

  /** What one committed record says. */
  replay(entry: GroupEntry, wallMs: number): void {
    if (entry.kind === 'offset' && entry.value !== null) this.#transactional.onCommitted(entry)
    this.#apply(entry, wallMs)
  }

  #apply(entry: GroupEntry, wallMs: number): void {
    let group = this.#groups.get(entry.groupId)
    if (entry.value === null) {
      if (group === undefined) return
      if (entry.kind === 'group') group.record = null
      else {
        const partitions = group.offsets.get(entry.topic)
        partitions?.delete(entry.partition)
        if (partitions?.size === 0) group.offsets.delete(entry.topic)
      }
      return
    }
    if (group === undefined) {
      group = new Group(entry.groupId, wallMs)
      this.#groups.set(entry.groupId, group)
    }
    if (entry.kind === 'group') group.record = entry.value
    else {
      const partitions = group.offsets.get(entry.topic)
      if (partitions === undefined) group.offsets.set(entry.topic, new Map([[entry.partition, entry.value]]))
      else partitions.set(entry.partition, entry.value)
    }
  }

  /** What one record within a transaction says: nothing yet. */
  replayInTransaction(producerId: number, entry: GroupEntry, wallMs: number): void {
    if (entry.kind === 'group') this.replay(entry, wallMs)
    else if (entry.value === null) this.#transactional.withdraw(producerId, entry)
    else this.#transactional.write(producerId, entry)
  }

  /** The marker of a transaction was read. */
  endTransaction(producerId: number, outcome: 'commit' | 'abort', wallMs: number): void {
    if (outcome === 'abort') this.#transactional.abort(producerId)
    else for (const entry of this.#transactional.commit(producerId)) this.#apply(entry, wallMs)
  }

  /**
   * After the last replay of a load: groups are what their last record says, and their members have a session from now. Does so many groups and
   * members at a time, at least one group; true when it has done all. Nothing else may be asked meanwhile.
   */
  onLoaded(now: Moment, countMax = Infinity): boolean {
    const open = this.#transactional.groupIds()
    if (this.#unfinished === null) {
      for (const groupId of open) if (!this.#groups.has(groupId)) this.#create(groupId, now)
      this.#unfinished = this.#groups.values()
    }
    let count = 0
    for (let next = this.#unfinished.next(); next.done !== true; next = this.#unfinished.next()) {
      count += this.#finishLoading(next.value, open, now)
      if (count >= countMax) return false
    }
    this.#unfinished = null
    return true
  }

  /** Answers how much that was: the group and its members. */
  #finishLoading(replayed: Group, open: ReadonlySet<string>, now: Moment): number {
    const { groupId, record, offsets } = replayed
    if (record === null && offsets.size === 0 && !open.has(groupId)) {
      this.#groups.delete(groupId)
      return 1
    }
    const group = loadedGroup(replayed)
    this.#groups.set(groupId, group)
    for (const member of group.members.values()) this.#classic.rebalance.keepAlive(group, member, now)
    if (group.members.size > this.#settings.maxSize) this.#classic.rebalance.prepare(group, now)
    return 1 + group.members.size
  }

  /** Another broker has the groups from here on: whoever waits is told so. */
  unload(errorCode: ErrorCode): void {
    for (const group of this.#groups.values()) {
      this.#classic.dismiss(group, errorCode)
      group.state = 'Dead'
    }
    this.#groups.clear()
  }

  #create(groupId: string, now: Moment): Group {
    const group = new Group(groupId, now.wallMs)
    this.#groups.set(groupId, group)
    return group
  }

  /** Without members and offsets the group goes too, unless somebody is about to join. */
  #deleteOffsets(
    group: Group,
    partitions: readonly TopicPartition[],
    now: Moment,
    onWritten: (errorCode: ErrorCode) => void,
  ): void {
    const isOver =
      group.is('Empty') &&
      partitions.length === allOffsets(group).length &&
      group.pendingMembers.size === 0 &&
      !this.#transactional.groupIds().has(group.groupId)
    const entries = partitions.map(partition => offsetTombstone(group.groupId, partition))
    if (isOver) this.#bury(group, now, onWritten)
    else if (entries.length === 0) onWritten(ErrorCode.NONE)
    else this.#step.write(entries, onWritten)
  }

  /** The group takes nothing more; once its tombstones are written it is gone. */
  #bury(group: Group, now: Moment, onWritten: (errorCode: ErrorCode) => void): void {
    const { groupId } = group
    const entries = allOffsets(group).map(partition => offsetTombstone(groupId, partition))
    // A group that never completed a rebalance has no record to delete.
    if (group.generation > 0 || group.record !== null) entries.push({ kind: 'group', groupId, value: null })
    const since = group.stateSinceMs
    group.become('Dead', now.wallMs)
    const finish = (errorCode: ErrorCode): void => {
      if (errorCode === ErrorCode.NONE) this.#forget(group)
      else group.become('Empty', since)
      onWritten(errorCode)
    }
    if (entries.length === 0) finish(ErrorCode.NONE)
    else this.#step.write(entries, finish)
  }

  #forget(group: Group): void {
    if (this.#groups.get(group.groupId) !== group) return
    this.#groups.delete(group.groupId)
    for (const memberId of group.pendingMembers.keys()) this.#step.timer(group.groupId, memberTimer(memberId), null)
  }
}
