import { toJson } from '@millrace/protocol/json'
import { emptyOf } from '@millrace/protocol/schema'
import { apiOf, type AskStep, type GroupApi, type GroupCase, type GroupStep } from '../group-exchange.ts'

/** What a request is, beyond its fields. */
interface How {
  readonly v?: number
  readonly on?: string
  readonly parked?: string
  readonly binds?: Readonly<Record<string, string>>
}

function step(api: GroupApi, version: number, fields: object, { on = 'a', parked, binds }: How): AskStep {
  const [request] = apiOf(api)
  const json = toJson(request, version, { ...(emptyOf(request) as object), ...fields })
  return { api, version, on, request: json, ...(parked && { parked }), ...(binds && { binds }) }
}

/** `ConsumerProtocolSubscription` v0 of these topics. */
export function subscription(...topics: readonly string[]): Buffer {
  const names = topics.map(topic => Buffer.concat([int16(topic.length), Buffer.from(topic)]))
  return Buffer.concat([int16(0), int32(topics.length), ...names, int32(-1)])
}
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
const int32 = (value: number): Buffer => Buffer.concat([int16((value >> 16) & 0xffff), int16(value & 0xffff)])

export const protocol = (name: string, metadata: Buffer = subscription('t')): { name: string; metadata: Buffer } => ({
  name,
  metadata,
})

interface JoinFields {
  readonly memberId?: string
  readonly groupInstanceId?: string
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  readonly protocolType?: string
  readonly protocols?: readonly { readonly name: string; readonly metadata: Buffer }[]
}
/** v3: in at once, without being asked to come back with an id (KIP-394). */
export const join = (groupId: string, fields: JoinFields = {}, how: How = {}): AskStep => {
  const usual = { sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 30_000, protocolType: 'consumer' }
  return step('JoinGroup', how.v ?? 3, { groupId, ...usual, protocols: [protocol('range')], ...fields }, how)
}

interface MemberFields {
  readonly memberId?: string
  readonly groupInstanceId?: string | null
  readonly generationId?: number
}
interface SyncFields extends MemberFields {
  readonly protocolType?: string | null
  readonly protocolName?: string | null
  readonly assignments?: readonly { readonly memberId: string; readonly assignment: Buffer }[]
}
export const sync = (groupId: string, fields: SyncFields, how: How = {}): AskStep => {
  const version = how.v ?? 3
  const named = version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}
  return step('SyncGroup', version, { groupId, ...named, ...fields }, how)
}
export const part = (memberId: string, text: string): { memberId: string; assignment: Buffer } => ({
  memberId,
  assignment: Buffer.from(text),
})

export const beat = (groupId: string, fields: MemberFields, how: How = {}): AskStep =>
  step('Heartbeat', how.v ?? 3, { groupId, ...fields }, how)

interface Leaving {
  readonly memberId: string
  readonly groupInstanceId?: string | null
}
export const leave = (groupId: string, members: readonly Leaving[], how: How = {}): AskStep =>
  step(
    'LeaveGroup',
    how.v ?? 4,
    { groupId, members: members.map(each => ({ groupInstanceId: null, reason: null, ...each })) },
    how,
  )
/** v0 to v2. */
export const leaveAlone = (groupId: string, memberId: string, how: How = {}): AskStep =>
  step('LeaveGroup', how.v ?? 2, { groupId, memberId }, how)

interface CommitFields {
  readonly generationIdOrMemberEpoch?: number
  readonly memberId?: string
  readonly groupInstanceId?: string
  readonly retentionTimeMs?: number
}
type Committed = readonly [
  topic: string,
  partition: number,
  offset: number,
  metadata?: string | null,
  more?: { readonly committedLeaderEpoch?: number; readonly commitTimestamp?: number },
]
export function commit(
  groupId: string,
  offsets: readonly Committed[],
  fields: CommitFields = {},
  how: How = {},
): AskStep {
  const topics = new Map<string, object[]>()
  for (const [topic, partitionIndex, committedOffset, committedMetadata = '', more] of offsets) {
    const row = { partitionIndex, committedOffset, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata }
    topics.set(topic, [...(topics.get(topic) ?? []), { ...row, ...more }])
  }
  const rows = [...topics].map(([name, partitions]) => ({ name, partitions }))
  return step('OffsetCommit', how.v ?? 7, { groupId, ...fields, topics: rows }, how)
}

type Wanted = readonly (readonly [topic: string, partitions: readonly number[]])[] | null
const wantedTopics = (wanted: Wanted): object[] | null =>
  wanted?.map(([name, partitionIndexes]) => ({ name, partitionIndexes })) ?? null
/** v0 to v7. */
export const fetchOffsets = (groupId: string, wanted: Wanted, how: How & { requireStable?: boolean } = {}): AskStep =>
  step(
    'OffsetFetch',
    how.v ?? 7,
    { groupId, topics: wantedTopics(wanted), requireStable: how.requireStable ?? false },
    how,
  )
/** v8 and up. */
export const fetchGroups = (
  groups: readonly { id: string; wanted: Wanted; memberId?: string; memberEpoch?: number }[],
  how: How = {},
): AskStep => {
  const rows = groups.map(({ id, wanted, memberId = null, memberEpoch = -1 }) => ({
    ...{ groupId: id, memberId, memberEpoch },
    topics: wantedTopics(wanted),
  }))
  return step('OffsetFetch', how.v ?? 9, { groups: rows }, how)
}

export const describe = (
  groups: readonly string[],
  how: How & { includeAuthorizedOperations?: boolean } = {},
): AskStep =>
  step(
    'DescribeGroups',
    how.v ?? 5,
    { groups, includeAuthorizedOperations: how.includeAuthorizedOperations ?? false },
    how,
  )
export const list = (statesFilter: readonly string[], typesFilter: readonly string[], how: How = {}): AskStep =>
  step('ListGroups', how.v ?? 5, { statesFilter, typesFilter }, how)
export const deleteGroups = (groupsNames: readonly string[], how: How = {}): AskStep =>
  step('DeleteGroups', how.v ?? 2, { groupsNames }, how)
export const deleteOffsets = (groupId: string, wanted: NonNullable<Wanted>): AskStep => {
  const topics = wanted.map(([name, partitions]) => ({
    name,
    partitions: partitions.map(partitionIndex => ({ partitionIndex })),
  }))
  return step('OffsetDelete', 0, { groupId, topics }, {})
}
/** v0 to v3. */
export const findOne = (key: string, keyType: number, how: How = {}): AskStep =>
  step('FindCoordinator', how.v ?? 3, { key, keyType }, how)
export const find = (coordinatorKeys: readonly string[], keyType: number, how: How = {}): AskStep =>
  step('FindCoordinator', how.v ?? 6, { coordinatorKeys, keyType }, how)

/** `$m`: a member that joined alone and has its assignment, in generation 1. */
export const stable = (groupId: string, fields: JoinFields = {}, how: How & { as?: string } = {}): AskStep[] => {
  const as = how.as ?? 'm'
  const version = fields.groupInstanceId === undefined ? 3 : 5
  const { groupInstanceId = null } = fields
  return [
    join(groupId, fields, { v: how.v ?? version, binds: { [as]: 'memberId' }, on: how.on ?? 'a' }),
    sync(
      groupId,
      { memberId: `$${as}`, groupInstanceId, generationId: 1, assignments: [part(`$${as}`, 'all')] },
      { on: how.on ?? 'a' },
    ),
  ]
}

/** `$m` (leader) and `$n`, in generation 2, with their assignments. */
export const stablePair = (groupId: string, first: JoinFields = {}, second: JoinFields = {}): GroupStep[] => {
  const firstInstance = first.groupInstanceId ?? null
  const secondInstance = second.groupInstanceId ?? null
  return [
    ...stable(groupId, first),
    join(groupId, second, {
      ...{ v: secondInstance === null ? 3 : 5, on: 'b', parked: 'second', binds: { n: 'memberId' } },
    }),
    join(groupId, { ...first, memberId: '$m' }, { v: firstInstance === null ? 3 : 5 }),
    { take: 'second' },
    sync(
      groupId,
      { memberId: '$n', groupInstanceId: secondInstance, generationId: 2 },
      { on: 'b', parked: 'second part' },
    ),
    sync(groupId, {
      ...{ memberId: '$m', groupInstanceId: firstInstance, generationId: 2 },
      assignments: [part('$m', 'one'), part('$n', 'two')],
    }),
    { take: 'second part' },
  ]
}

/** One case; the group's id is made of its name. */
export function groupCase(name: string, stepsOf: (group: string) => readonly GroupStep[]): GroupCase {
  const group = name.replace(/[^a-zA-Z0-9]+/g, '-')
  return { name, group, steps: stepsOf(group) }
}
