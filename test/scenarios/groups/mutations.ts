import type { Mutation } from '../model/mutated-cores.ts'

const classic = 'groups/classic-group.ts'
const rebalance = 'groups/rebalance.ts'
const shard = 'groups/group-shard.ts'
const offsets = 'groups/group-offsets.ts'
const group = 'groups/group.ts'
const loaded = 'groups/loaded-group.ts'

const fault = (name: string, file: string, search: string, replace: string): Mutation => ({
  ...{ name, file, search, replace },
  ledger: '',
})

/** Faults that a group machine can have, each of which some walk must find. */
export const mutations: readonly Mutation[] = [
  // --- generations and owners -----------------------------------------------------------------------------------------
  fault('a rebalance keeps the generation', rebalance, 'group.generation++', ''),
  fault(
    'a generation goes back when a group is empty',
    rebalance,
    'group.leaderId = null',
    'group.leaderId = null\n    group.generation = 0',
  ),
  fault(
    'the leader may assign twice in a generation',
    classic,
    'if (group.assigningGeneration === generation) return',
    '',
  ),
  fault(
    'assignments are given before they are written',
    classic,
    'const value = group.toRecord(assignmentOf)',
    "const value = group.toRecord(assignmentOf)\n    group.become('Stable', 0)\n    for (const member of group.members.values()) {\n      member.assignment = assignmentOf(member)\n      this.rebalance.giveAssignment(group, member)\n    }",
  ),
  fault(
    'assignments count although they could not be written',
    classic,
    'if (errorCode !== ErrorCode.NONE) {\n        this.rebalance.failSyncs',
    'if (errorCode === ErrorCode.GROUP_ID_NOT_FOUND) {\n        this.rebalance.failSyncs',
  ),
  fault(
    'an assignment that was written for an older generation counts',
    classic,
    "if (!group.is('CompletingRebalance') || group.generation !== generation) return",
    "if (!group.is('CompletingRebalance')) return",
  ),
  fault(
    'SyncGroup of an older generation is served',
    classic,
    'if (request.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION\n    const',
    'const',
  ),
  fault(
    'heartbeats of an older generation are heard',
    classic,
    'if (request.generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION\n    this',
    'this',
  ),
  fault(
    'commits of an older generation count',
    offsets,
    'if (generationId !== group.generation) return ErrorCode.ILLEGAL_GENERATION',
    '',
  ),
  fault(
    'commits from outside count while there are members',
    offsets,
    "} else if (!group.is('Empty')) return ErrorCode.UNKNOWN_MEMBER_ID",
    '}',
  ),
  // --- members --------------------------------------------------------------------------------------------------------
  fault(
    'a member that did not join again stays',
    rebalance,
    'if (member.joinToken === null && member.groupInstanceId === null) {',
    'if (member.joinToken === null && member.groupInstanceId === null && group.generation < 0) {',
  ),
  fault(
    'a leader that did not join again leads on',
    rebalance,
    'if (leader !== undefined && leader.joinToken !== null) return true',
    'if (leader !== undefined) return true',
  ),
  fault(
    'a member whose session is over stays',
    classic,
    '} else this.#lose(group, member, now)\n  }\n\n  /** Everybody',
    '}\n  }\n\n  /** Everybody',
  ),
  fault(
    'a timer that rings before the session is over does not look again',
    classic,
    'if (now.monotonicMs < member.expiresAtMs) this.rebalance.ringAtExpiry(group, member)\n    else if',
    'if (now.monotonicMs < member.expiresAtMs) return\n    if',
  ),
  fault(
    'a member keeps the timer of before although its session ends earlier',
    rebalance,
    'if (member.ringsAtMs === null || member.ringsAtMs > expiresAtMs)',
    'if (member.ringsAtMs === null)',
  ),
  fault(
    'group.max.size is not asked',
    classic,
    'if (!this.#hasRoomFor(group, memberId)) {',
    'if (memberId === "full") {',
  ),
  fault(
    'group.max.size counts members that may not come back',
    classic,
    'return (member !== undefined && member.joinToken !== null) || group.joinedCount < maxSize',
    'return true',
  ),
  fault(
    'members without a common protocol are let in',
    group,
    'return protocols.some(({ name }) => this.isCommon(name))',
    'return true',
  ),
  fault(
    'who has which protocol is not counted on leaving',
    group,
    'if (this.members.delete(member.memberId)) this.count(member, -1)',
    'this.members.delete(member.memberId)',
  ),
  fault(
    'a leaving member starts no rebalance',
    rebalance,
    "if (group.is('Stable', 'CompletingRebalance')) this.prepare(group, now)\n    else this.maybeComplete(group, now)",
    'this.maybeComplete(group, now)',
  ),
  // --- answers --------------------------------------------------------------------------------------------------------
  fault(
    'a parked JoinGroup is answered twice',
    rebalance,
    'this.#step.reply(member.joinToken, reply)\n    member.joinToken = null',
    'this.#step.reply(member.joinToken, reply)',
  ),
  fault(
    'a parked SyncGroup is answered twice',
    rebalance,
    'this.#step.reply(member.syncToken, { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment })\n    member.syncToken = null',
    'this.#step.reply(member.syncToken, { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment })',
  ),
  fault(
    'the JoinGroup of a member that is gone is never answered',
    rebalance,
    "this.answerJoin(member, joinRefused(errorCode, ''))\n",
    '',
  ),
  fault(
    'the SyncGroup of a member that is gone is never answered',
    rebalance,
    'this.answerSync(member, errorCode)\n    this.#step.timer',
    'this.#step.timer',
  ),
  fault(
    'who waits for a part is not told of the next rebalance',
    rebalance,
    "if (group.is('CompletingRebalance')) this.failSyncs(group, ErrorCode.REBALANCE_IN_PROGRESS)",
    '',
  ),
  fault(
    'a second JoinGroup of a member replaces the first without a word',
    classic,
    'this.rebalance.answerJoin(member, joinRefused(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId))',
    '',
  ),
  fault(
    'a second SyncGroup of a member replaces the first without a word',
    classic,
    'this.rebalance.answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS)\n    member.syncToken = token',
    'member.syncToken = token',
  ),
  fault('who waits is not told that the coordinator goes', shard, 'this.#classic.dismiss(group, errorCode)', ''),
  fault(
    'a failed commit is not answered',
    shard,
    'this.#step.reply(token, { errorCode: offsetWriteError(errorCode), isRefused: false })',
    'if (errorCode === ErrorCode.NONE) this.#step.reply(token, { errorCode, isRefused: false })',
  ),
  // --- static members -------------------------------------------------------------------------------------------------
  fault(
    'a static member that came back is not written down',
    classic,
    "const value = group.toRecord(({ assignment }) => assignment)\n    this.#step.write([{ kind: 'group', groupId: group.groupId, value }], (errorCode, later) => {",
    'this.#step.write([], (errorCode, later) => {',
  ),
  fault(
    'the old id of an instance is still heard',
    classic,
    'if (current !== memberId) return ErrorCode.FENCED_INSTANCE_ID',
    '',
  ),
  fault(
    'who waits under the old id of an instance is not told',
    classic,
    'this.rebalance.answerJoin(member, joinRefused(ErrorCode.FENCED_INSTANCE_ID, oldMemberId))\n    this.rebalance.answerSync(member, ErrorCode.FENCED_INSTANCE_ID)',
    'member.joinToken = null\n    member.syncToken = null',
  ),
  fault('an instance that left is remembered', group, 'this.staticMembers.delete(member.groupInstanceId)', '{}'),
  // --- the log --------------------------------------------------------------------------------------------------------
  fault(
    'a group is forgotten without a tombstone',
    shard,
    "if (group.generation > 0 || group.record !== null) entries.push({ kind: 'group', groupId, value: null })",
    '',
  ),
  fault(
    'a deleted group leaves offsets that were on their way',
    offsets,
    'return [...committed, ...coming.map(({ topic, partition }) => ({ topic, partition }))]',
    'return committed',
  ),
  fault(
    'an empty group is not written down',
    rebalance,
    "this.#step.write([{ kind: 'group', groupId: group.groupId, value }], () => {})",
    'if (value === null) return',
  ),
  fault(
    'commits count before they are written',
    shard,
    'this.#step.write(entries, errorCode => {\n      commitsInFlight.end',
    'for (const entry of entries) this.replay(entry, now.wallMs)\n    this.#step.write(entries, errorCode => {\n      commitsInFlight.end',
  ),
  fault(
    'commits are acknowledged before they are written',
    shard,
    'commitsInFlight.begin(offsets)',
    'commitsInFlight.begin(offsets)\n    this.#step.reply(token, { errorCode: ErrorCode.NONE, isRefused: false })',
  ),
  fault('a loaded group has no members', loaded, 'group.add(loaded, record.protocolType)', ''),
  fault(
    'a loaded group begins with another generation',
    loaded,
    'group.generation = record.generation',
    'group.generation = 0',
  ),
  fault(
    'members of a loaded group never expire',
    shard,
    'for (const member of group.members.values()) this.#classic.rebalance.keepAlive(group, member, now)\n    if',
    'if',
  ),
  fault(
    'offsets expire under those who read the topic',
    offsets,
    'return (topic, offset) => (topics.has(topic) ? null : offset.commitTimestampMs)',
    'return (_topic, offset) => offset.commitTimestampMs',
  ),
]
