import { ErrorCode } from '@millrace/protocol/errors'
import { sameProtocols, type Group, type Member } from './group.ts'
import {
  joinRefused,
  nothing,
  syncRefused,
  type GroupSettings,
  type HeartbeatRequest,
  type JoinRequest,
  type MemberIdentity,
  type Moment,
  type SyncRequest,
} from './group-requests.ts'
import { ownCopies } from './own-copy.ts'
import { memberTimer, newMemberJoinTimeoutMs, Rebalance } from './rebalance.ts'
import type { Step } from './step.ts'
import { groupWriteError } from './write-errors.ts'

/** The classic protocol (reference 5.4 to 5.6): what members ask of one group. */
export class ClassicGroup {
  readonly #settings: GroupSettings
  readonly #step: Step
  readonly rebalance: Rebalance

  constructor(settings: GroupSettings, step: Step) {
    this.#settings = settings
    this.#step = step
    this.rebalance = new Rebalance(settings, step)
  }

  join(group: Group, request: JoinRequest, token: number, now: Moment): void {
    const { memberId } = request
    if (!this.#hasRoomFor(group, memberId)) {
      const member = group.members.get(memberId)
      if (member !== undefined) this.rebalance.drop(group, member, ErrorCode.GROUP_MAX_SIZE_REACHED)
      group.pendingMembers.delete(memberId)
      this.#step.reply(token, joinRefused(ErrorCode.GROUP_MAX_SIZE_REACHED, ''))
    } else if (group.is('Dead')) {
      this.#step.reply(token, joinRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE, memberId))
    } else if (!group.supports(request.protocolType, request.protocols)) {
      this.#step.reply(token, joinRefused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, memberId))
    } else if (memberId === '') this.#joinAsNew(group, request, token, now)
    else this.#joinAgain(group, request, token, now)
    this.rebalance.maybeComplete(group, now)
  }

  sync(group: Group, request: SyncRequest, token: number, now: Moment): void {
    const refusal = this.#refuseSync(group, request)
    if (refusal !== ErrorCode.NONE) {
      this.#step.reply(token, syncRefused(refusal))
      return
    }
    const member = group.members.get(request.memberId)!
    group.pendingSync.delete(member.memberId)
    // An earlier request of the same member: its connection is gone, but it is answered.
    this.rebalance.answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS)
    member.syncToken = token
    if (group.is('Stable')) {
      this.rebalance.giveAssignment(group, member)
      this.rebalance.keepAlive(group, member, now)
    } else if (group.isLeader(member.memberId)) this.#assign(group, request)
  }

  heartbeat(group: Group, request: HeartbeatRequest, now: Moment): ErrorCode {
    if (group.is('Dead')) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    const refusal = checkMember(group, request)
    if (refusal !== ErrorCode.NONE) return refusal
    if (group.is('Empty')) return ErrorCode.UNKNOWN_MEMBER_ID
    if (request.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
    this.rebalance.keepAlive(group, group.members.get(request.memberId)!, now)
    return group.is('PreparingRebalance') ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  leave(group: Group, identity: MemberIdentity, now: Moment): ErrorCode {
    if (group.pendingMembers.delete(identity.memberId)) {
      this.#step.timer(group.groupId, memberTimer(identity.memberId), null)
      this.rebalance.maybeComplete(group, now)
      return ErrorCode.NONE
    }
    const memberId = identity.memberId === '' ? staticMemberId(group, identity) : identity.memberId
    if (memberId === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    const refusal = checkMember(group, { ...identity, memberId })
    if (refusal !== ErrorCode.NONE) return refusal
    this.#lose(group, group.members.get(memberId)!, now)
    return ErrorCode.NONE
  }

  onMemberTimer(group: Group, memberId: string, now: Moment): void {
    if (group.pendingMembers.delete(memberId)) {
      this.rebalance.maybeComplete(group, now)
      return
    }
    const member = group.members.get(memberId)
    if (member === undefined) return
    member.ringsAtMs = null
    if (now.monotonicMs < member.expiresAtMs) this.rebalance.ringAtExpiry(group, member)
    else if (!member.isNew && (member.joinToken !== null || member.syncToken !== null)) {
      // Who waits for an answer of ours is alive as far as we can know.
      this.rebalance.keepAlive(group, member, now)
    } else this.#lose(group, member, now)
  }

  /** Everybody who waits is told `errorCode`: the group goes to another broker, or away. */
  dismiss(group: Group, errorCode: ErrorCode): void {
    for (const member of group.members.values()) {
      this.rebalance.answerJoin(member, joinRefused(errorCode, member.memberId))
      this.rebalance.answerSync(member, errorCode)
    }
  }

  #hasRoomFor(group: Group, memberId: string): boolean {
    const { maxSize } = this.#settings
    const member = group.members.get(memberId)
    if (group.is('Empty', 'Dead')) return true
    if (group.is('PreparingRebalance')) {
      // The count is only taken where it can matter.
      if (group.members.size < maxSize) return true
      return (member !== undefined && member.joinToken !== null) || group.joinedCount < maxSize
    }
    return member !== undefined || group.members.size < maxSize
  }

  #joinAsNew(group: Group, request: JoinRequest, token: number, now: Moment): void {
    const { freshMemberId, groupInstanceId } = request
    const known = groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId)
    if (known !== undefined) {
      this.#replaceStatic(group, group.members.get(known)!, request, token, now)
    } else if (groupInstanceId === null && request.requiresKnownMemberId) {
      const ringsAtMs = now.monotonicMs + request.sessionTimeoutMs
      group.pendingMembers.set(freshMemberId, ringsAtMs)
      this.#step.timer(group.groupId, memberTimer(freshMemberId), ringsAtMs)
      this.#step.reply(token, joinRefused(ErrorCode.MEMBER_ID_REQUIRED, freshMemberId))
    } else this.#addMember(group, freshMemberId, request, token, now)
  }

  #joinAgain(group: Group, request: JoinRequest, token: number, now: Moment): void {
    const { memberId } = request
    if (group.pendingMembers.has(memberId)) {
      this.#addMember(group, memberId, request, token, now)
      return
    }
    const refusal = checkMember(group, request)
    if (refusal !== ErrorCode.NONE) {
      this.#step.reply(token, joinRefused(refusal, memberId))
      return
    }
    const member = group.members.get(memberId)!
    const isSame = sameProtocols(member.protocols, request.protocols)
    if (group.is('CompletingRebalance') && isSame) {
      this.#step.reply(token, this.rebalance.joined(group, member, { listsMembers: group.isLeader(memberId) }))
    } else if (group.is('Stable') && isSame && !group.isLeader(memberId)) {
      this.#step.reply(token, this.rebalance.joined(group, member, { listsMembers: false }))
    } else if (group.is('PreparingRebalance', 'CompletingRebalance', 'Stable')) {
      this.#update(group, member, request, token)
      this.rebalance.maybePrepare(group, now)
    } else this.#step.reply(token, joinRefused(ErrorCode.UNKNOWN_MEMBER_ID, memberId))
  }

  #addMember(group: Group, memberId: string, request: JoinRequest, token: number, now: Moment): void {
    const member: Member = {
      memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: request.clientId,
      clientHost: request.clientHost,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocols: request.protocols,
      assignment: nothing,
      joinToken: token,
      syncToken: null,
      isNew: true,
      expiresAtMs: 0,
      ringsAtMs: group.pendingMembers.get(memberId) ?? null,
    }
    if (group.is('PreparingRebalance') && group.generation === 0) group.newMemberAdded = true
    group.add(member, request.protocolType)
    this.rebalance.keepAlive(group, member, now, newMemberJoinTimeoutMs)
    this.rebalance.maybePrepare(group, now)
  }

  #update(group: Group, member: Member, request: JoinRequest, token: number): void {
    // Sent twice, by a client that lost its connection: the first is answered too.
    this.rebalance.answerJoin(member, joinRefused(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId))
    group.setProtocols(member, request.protocols)
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs
    member.sessionTimeoutMs = request.sessionTimeoutMs
    member.joinToken = token
  }

  /** The instance started again (KIP-345): it inherits assignment and leadership, and who had its id is fenced. */
  #replaceStatic(group: Group, member: Member, request: JoinRequest, token: number, now: Moment): void {
    const oldMemberId = member.memberId
    const oldLeader = group.leaderId ?? ''
    const old = { ...member }
    this.rebalance.answerJoin(member, joinRefused(ErrorCode.FENCED_INSTANCE_ID, oldMemberId))
    this.rebalance.answerSync(member, ErrorCode.FENCED_INSTANCE_ID)
    this.#rename(group, member, request.freshMemberId, now)
    this.#update(group, member, request, token)
    if (group.is('CompletingRebalance')) {
      this.rebalance.prepare(group, now)
      return
    }
    if (!group.is('Stable')) return
    if (group.selectProtocol() !== group.protocolName) {
      this.rebalance.prepare(group, now)
      return
    }
    const value = group.toRecord(({ assignment }) => assignment)
    this.#step.write([{ kind: 'group', groupId: group.groupId, value }], (errorCode, later) => {
      // Answered meanwhile by a rebalance, or replaced again.
      if (member.joinToken !== token || group.members.get(member.memberId) !== member) return
      if (errorCode !== ErrorCode.NONE) {
        const { generation, protocolType, protocolName } = group
        const refused = joinRefused(groupWriteError(errorCode), '')
        this.rebalance.answerJoin(member, {
          ...refused,
          generationId: generation,
          protocolType,
          protocolName,
          leader: oldLeader,
        })
        group.setProtocols(member, old.protocols)
        member.rebalanceTimeoutMs = old.rebalanceTimeoutMs
        member.sessionTimeoutMs = old.sessionTimeoutMs
        this.#rename(group, member, oldMemberId, later)
        return
      }
      const skips = request.supportsSkippingAssignment
      const isLeader = skips && group.isLeader(member.memberId)
      // Before v9 it is told of its old self as leader, so that it does not assign anything.
      const leader = skips ? (group.leaderId ?? '') : oldLeader
      const reply = this.rebalance.joined(group, member, { listsMembers: isLeader, skipAssignment: isLeader, leader })
      this.rebalance.answerJoin(member, reply)
    })
  }

  #rename(group: Group, member: Member, memberId: string, now: Moment): void {
    this.#step.timer(group.groupId, memberTimer(member.memberId), null)
    group.rename(member, memberId)
    member.ringsAtMs = null
    this.rebalance.keepAlive(group, member, now)
  }

  #refuseSync(group: Group, request: SyncRequest): ErrorCode {
    if (group.is('Dead')) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    const refusal = checkMember(group, request)
    if (refusal !== ErrorCode.NONE) return refusal
    if (request.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION
    const { protocolType, protocolName } = request
    const isOther =
      (protocolType !== null && group.protocolType !== null && protocolType !== group.protocolType) ||
      (protocolName !== null && group.protocolName !== null && protocolName !== group.protocolName)
    if (isOther) return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if (group.is('Empty')) return ErrorCode.UNKNOWN_MEMBER_ID
    return group.is('PreparingRebalance') ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE
  }

  /** What the leader decided is written before anybody gets it: the next coordinator must know the same. */
  #assign(group: Group, request: SyncRequest): void {
    const { generation } = group
    // Asked twice: one assignment per generation goes into the log, the one that is handed out.
    if (group.assigningGeneration === generation) return
    group.assigningGeneration = generation
    const parts = ownCopies(request.assignments.map(({ assignment }) => assignment))
    const given = new Map(request.assignments.map(({ memberId }, index) => [memberId, parts[index]!]))
    const assignmentOf = ({ memberId }: Member): Buffer => given.get(memberId) ?? nothing
    const value = group.toRecord(assignmentOf)
    this.#step.write([{ kind: 'group', groupId: group.groupId, value }], (errorCode, now) => {
      if (group.assigningGeneration === generation) group.assigningGeneration = null
      if (!group.is('CompletingRebalance') || group.generation !== generation) return
      if (errorCode !== ErrorCode.NONE) {
        this.rebalance.failSyncs(group, groupWriteError(errorCode))
        this.rebalance.prepare(group, now)
        return
      }
      group.become('Stable', now.wallMs)
      for (const member of group.members.values()) {
        member.assignment = assignmentOf(member)
        if (member.syncToken === null) continue
        this.rebalance.giveAssignment(group, member)
        this.rebalance.keepAlive(group, member, now)
      }
    })
  }

  #lose(group: Group, member: Member, now: Moment): void {
    this.rebalance.drop(group, member, ErrorCode.UNKNOWN_MEMBER_ID)
    this.rebalance.onMemberGone(group, now)
  }
}

/** Is this who it says, of this group? An instance id counts before a member id. */
export function checkMember(group: Group, { memberId, groupInstanceId }: MemberIdentity): ErrorCode {
  if (groupInstanceId !== null) {
    const current = group.staticMembers.get(groupInstanceId)
    if (current === undefined) return ErrorCode.UNKNOWN_MEMBER_ID
    if (current !== memberId) return ErrorCode.FENCED_INSTANCE_ID
  }
  return group.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID
}

function staticMemberId(group: Group, { groupInstanceId }: MemberIdentity): string | undefined {
  return groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId)
}
