import { ErrorCode } from '@millrace/protocol/errors'
import type { Group, Member } from './group.ts'
import { joinRefused, nothing, syncRefused, type GroupSettings, type JoinReply, type Moment } from './group-requests.ts'
import type { Step } from './step.ts'

/** A new member cannot send heartbeats until its first join is answered; after this it is given up. As in Kafka. */
export const newMemberJoinTimeoutMs = 5 * 60 * 1000

export const joinTimer = 'join'
export const syncTimer = 'sync'
/** Of who was given an id and has not come back yet, and of who is a member: the same one, so that to become a member costs no timer. */
export const memberTimer = (memberId: string): string => `member ${memberId}`
export const memberOfTimer = (key: string): string => key.slice('member '.length)

/**
 * The phases of a rebalance (reference 5.4): members join, get a generation, and fetch what the leader assigned to them.
 *
 *     Empty ─┐                       all joined, or time is over            assignment written
 *     Stable ┼─► PreparingRebalance ────────────────────► CompletingRebalance ───────────► Stable
 *            └──────────────◄─ a member came, left or changed ─┘
 */
export class Rebalance {
  readonly #settings: GroupSettings
  readonly #step: Step

  constructor(settings: GroupSettings, step: Step) {
    this.#settings = settings
    this.#step = step
  }

  /** The member is alive: until its session timeout from now, unless it is heard of again. */
  keepAlive(group: Group, member: Member, now: Moment, timeoutMs = member.sessionTimeoutMs): void {
    const expiresAtMs = now.monotonicMs + timeoutMs
    member.expiresAtMs = expiresAtMs
    // Set anew only when it has to ring earlier: otherwise it looks again when it rings. A heartbeat costs no timer.
    if (member.ringsAtMs === null || member.ringsAtMs > expiresAtMs) this.ringAtExpiry(group, member)
  }

  ringAtExpiry(group: Group, member: Member): void {
    member.ringsAtMs = member.expiresAtMs
    this.#step.timer(group.groupId, memberTimer(member.memberId), member.expiresAtMs)
  }

  /** Begins a rebalance where one may begin. */
  maybePrepare(group: Group, now: Moment): void {
    if (group.is('Stable', 'CompletingRebalance', 'Empty')) this.prepare(group, now)
  }

  prepare(group: Group, now: Moment): void {
    if (group.is('CompletingRebalance')) this.failSyncs(group, ErrorCode.REBALANCE_IN_PROGRESS)
    this.#step.timer(group.groupId, syncTimer, null)
    group.pendingSync.clear()
    const isInitial = group.is('Empty')
    group.become('PreparingRebalance', now.wallMs)
    const delayMs = this.#settings.initialRebalanceDelayMs
    // A timer rings a millisecond late, and again for as long as others come: a sixth of the time in which 200 members join.
    if (isInitial && delayMs <= 0) this.#complete(group, now)
    else if (isInitial) {
      group.initialDelayMs = delayMs
      group.initialRemainingMs = Math.max(group.rebalanceTimeoutMs - delayMs, 0)
      this.#step.timer(group.groupId, joinTimer, now.monotonicMs + delayMs)
    } else {
      group.initialRemainingMs = null
      this.#step.timer(group.groupId, joinTimer, now.monotonicMs + group.rebalanceTimeoutMs)
      this.maybeComplete(group, now)
    }
  }

  /** Everybody who is known has joined: no need to wait on. The first rebalance of a group waits for its time, if it has any. */
  maybeComplete(group: Group, now: Moment): void {
    if (group.is('PreparingRebalance') && group.initialRemainingMs === null && group.hasAllJoined) {
      this.#complete(group, now)
    }
  }

  onJoinTimer(group: Group, now: Moment): void {
    if (!group.is('PreparingRebalance')) return
    const remainingMs = group.initialRemainingMs
    if (remainingMs !== null && group.newMemberAdded && remainingMs > 0) {
      group.newMemberAdded = false
      const delayMs = Math.min(this.#settings.initialRebalanceDelayMs, remainingMs)
      group.initialRemainingMs = Math.max(remainingMs - group.initialDelayMs, 0)
      group.initialDelayMs = delayMs
      this.#step.timer(group.groupId, joinTimer, now.monotonicMs + delayMs)
      return
    }
    this.#complete(group, now)
  }

  /** Members that took a generation and never asked for their assignment are gone. */
  onSyncTimer(group: Group, now: Moment): void {
    if (!group.is('CompletingRebalance', 'Stable') || group.pendingSync.size === 0) return
    for (const memberId of [...group.pendingSync]) {
      const member = group.members.get(memberId)
      if (member !== undefined) this.drop(group, member, ErrorCode.UNKNOWN_MEMBER_ID)
    }
    group.pendingSync.clear()
    this.prepare(group, now)
  }

  /** Removes a member and answers what it waits for. What follows for the group is the caller's. */
  drop(group: Group, member: Member, errorCode: ErrorCode): void {
    this.answerJoin(member, joinRefused(errorCode, ''))
    this.answerSync(member, errorCode)
    this.#step.timer(group.groupId, memberTimer(member.memberId), null)
    group.remove(member)
  }

  /** After a member is gone. */
  onMemberGone(group: Group, now: Moment): void {
    if (group.is('Stable', 'CompletingRebalance')) this.prepare(group, now)
    else this.maybeComplete(group, now)
  }

  answerJoin(member: Member, reply: JoinReply): void {
    if (member.joinToken === null) return
    this.#step.reply(member.joinToken, reply)
    member.joinToken = null
  }

  answerSync(member: Member, errorCode: ErrorCode): void {
    if (member.syncToken === null) return
    this.#step.reply(member.syncToken, syncRefused(errorCode))
    member.syncToken = null
  }

  giveAssignment(group: Group, member: Member): void {
    if (member.syncToken === null) return
    const { protocolType, protocolName } = group
    const { assignment } = member
    this.#step.reply(member.syncToken, { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment })
    member.syncToken = null
  }

  failSyncs(group: Group, errorCode: ErrorCode): void {
    for (const member of group.members.values()) {
      member.assignment = nothing
      this.answerSync(member, errorCode)
    }
  }

  /** The current generation, as a member is told. */
  joined(
    group: Group,
    member: { readonly memberId: string },
    options: { listsMembers: boolean; skipAssignment?: boolean; leader?: string },
  ): JoinReply {
    return {
      errorCode: ErrorCode.NONE,
      generationId: group.generation,
      protocolType: group.protocolType,
      protocolName: group.protocolName,
      leader: options.leader ?? group.leaderId ?? '',
      skipAssignment: options.skipAssignment ?? false,
      memberId: member.memberId,
      members: options.listsMembers ? group.memberList() : [],
    }
  }

  #complete(group: Group, now: Moment): void {
    for (const member of [...group.members.values()]) {
      // Static members stay until their session ends (KIP-345).
      if (member.joinToken === null && member.groupInstanceId === null) {
        this.drop(group, member, ErrorCode.UNKNOWN_MEMBER_ID)
      }
    }
    if (group.members.size > 0 && !electLeader(group)) {
      group.initialRemainingMs = null
      this.#step.timer(group.groupId, joinTimer, now.monotonicMs + group.rebalanceTimeoutMs)
      return
    }
    this.#step.timer(group.groupId, joinTimer, null)
    group.initialRemainingMs = null
    group.newMemberAdded = false
    group.generation++
    group.pendingSync.clear()
    if (group.members.size === 0) this.#becomeEmpty(group, now)
    else this.#askForAssignments(group, now)
  }

  #becomeEmpty(group: Group, now: Moment): void {
    group.protocolName = null
    group.leaderId = null
    group.noteSubscribedTopics()
    group.become('Empty', now.wallMs)
    const value = group.toRecord(() => nothing)
    // A failure is no loss: without the record the group is as it was, and its members' sessions end again.
    this.#step.write([{ kind: 'group', groupId: group.groupId, value }], () => {})
  }

  #askForAssignments(group: Group, now: Moment): void {
    group.protocolName = group.selectProtocol()
    group.noteSubscribedTopics()
    group.become('CompletingRebalance', now.wallMs)
    for (const member of group.members.values()) {
      group.pendingSync.add(member.memberId)
      this.answerJoin(member, this.joined(group, member, { listsMembers: group.isLeader(member.memberId) }))
      member.isNew = false
      this.keepAlive(group, member, now)
    }
    this.#step.timer(group.groupId, syncTimer, now.monotonicMs + group.rebalanceTimeoutMs)
  }
}

/** The leader stays if it joined again; else the first that did leads. False when nobody did. */
function electLeader(group: Group): boolean {
  const leader = group.leaderId === null ? undefined : group.members.get(group.leaderId)
  if (leader !== undefined && leader.joinToken !== null) return true
  for (const member of group.members.values()) {
    if (member.joinToken === null) continue
    group.leaderId = member.memberId
    return true
  }
  return false
}
