import { afterEach, describe, expect, test } from '@jest/globals'
import type { Connection } from '@millrace/client/connection/connection'
import { ErrorCode } from '@millrace/protocol/errors'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { joinGroupRequest, joinGroupResponse, type JoinGroupResponse } from '@millrace/protocol/messages/11-join-group'
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import { leaveGroupRequest, leaveGroupResponse } from '@millrace/protocol/messages/13-leave-group'
import { syncGroupRequest, syncGroupResponse, type SyncGroupResponse } from '@millrace/protocol/messages/14-sync-group'
import { describeGroupsRequest, describeGroupsResponse } from '@millrace/protocol/messages/15-describe-groups'
import { listGroupsRequest, listGroupsResponse } from '@millrace/protocol/messages/16-list-groups'
import { describeConfigsRequest, describeConfigsResponse } from '@millrace/protocol/messages/32-describe-configs'
import { deleteGroupsRequest, deleteGroupsResponse } from '@millrace/protocol/messages/42-delete-groups'
import { offsetDeleteRequest, offsetDeleteResponse } from '@millrace/protocol/messages/47-offset-delete'
import { RecordBatch } from '@millrace/protocol/records/record-batch'
import { emptyOf, ZERO_UUID, type Message } from '@millrace/protocol/schema'
import { VirtualBroker } from '@millrace/testing/world/virtual-broker'

/* Groups of a whole broker in virtual time, as clients see them. What a setting does is shown here too. */

let broker: VirtualBroker
let connection: Connection
afterEach(() => broker.stop())

const minute = 60_000
const quick = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '3',
  'offsets.topic.replication.factor': '1',
}

async function start(properties: Record<string, string> = {}): Promise<void> {
  broker = await VirtualBroker.start({ ...quick, ...properties })
  connection = await broker.connect()
  await broker.createTopic(connection, 't')
  await broker.createTopic(connection, 'u')
  await findCoordinator('g')
}

async function restart(): Promise<void> {
  await broker.restart()
  connection = await broker.connect()
  await findCoordinator('g')
}

async function findCoordinator(key: string): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const found = await ask(findCoordinatorRequest, findCoordinatorResponse, { coordinatorKeys: [key] })
    if (found.coordinators[0]?.errorCode === ErrorCode.NONE) return
    expect(found.coordinators[0]?.errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    await broker.pass(100)
  }
  throw new Error('no coordinator')
}

/** Everything else as the schema has it. */
function ask<Request extends object, Response>(
  request: Message<Request>,
  response: Message<Response>,
  fields: Partial<Request>,
  on: Connection = connection,
): Promise<Response> {
  return broker.during(on.request(request, response, { ...emptyOf(request), ...fields }))
}

const member = { memberId: '', groupInstanceId: null as string | null }
const joinFields = {
  groupId: 'g',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: Buffer.from('000000000001000174ffffffff', 'hex') }],
}
const join = (fields: Partial<typeof joinFields & typeof member> = {}, on = connection): Promise<JoinGroupResponse> =>
  ask(joinGroupRequest, joinGroupResponse, { ...joinFields, ...fields }, on)
const sync = (fields: object, on = connection): Promise<SyncGroupResponse> =>
  ask(
    syncGroupRequest,
    syncGroupResponse,
    { groupId: 'g', protocolType: 'consumer', protocolName: 'range', ...fields },
    on,
  )
const heartbeat = async (fields: object, on = connection): Promise<number> =>
  (await ask(heartbeatRequest, heartbeatResponse, { groupId: 'g', ...fields }, on)).errorCode
const commit = async (fields: object, offset = 5, metadata = '', topic = 't'): Promise<number> => {
  const partition = { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, commitTimestamp: -1 }
  const topics = [{ name: topic, partitions: [{ ...partition, committedMetadata: metadata }] }]
  const response = await ask(offsetCommitRequest, offsetCommitResponse, {
    groupId: 'g',
    memberId: '',
    topics,
    ...fields,
  })
  return response.topics[0]!.partitions[0]!.errorCode
}
const committed = async (topic = 't'): Promise<number> => {
  const topics = [{ name: topic, partitionIndexes: [0] }]
  const groups = [{ groupId: 'g', memberId: null, memberEpoch: -1, topics }]
  const response = await ask(offsetFetchRequest, offsetFetchResponse, { groups })
  expect(response.groups[0]!.errorCode).toBe(0)
  return response.groups[0]!.topics[0]!.partitions[0]!.committedOffset
}
const stateOf = async (groupId = 'g'): Promise<string> =>
  (await ask(describeGroupsRequest, describeGroupsResponse, { groups: [groupId] })).groups[0]!.groupState

/** A group of one, at work. */
async function stable(
  fields: Partial<typeof joinFields & typeof member> = {},
): Promise<{ memberId: string; generationId: number }> {
  let joined = await join(fields)
  if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) joined = await join({ ...fields, memberId: joined.memberId })
  expect([joined.errorCode, joined.leader]).toEqual([0, joined.memberId])
  const { memberId, generationId } = joined
  const groupInstanceId = fields.groupInstanceId ?? null
  const assignments = [{ memberId, assignment: Buffer.from('all') }]
  const synced = await sync({ memberId, generationId, groupInstanceId, assignments })
  expect([synced.errorCode, synced.assignment.toString()]).toEqual([0, 'all'])
  return { memberId, generationId }
}

test('FindCoordinator: a transactional id: refused for good, unless brokers of Kafka have transactions here', async () => {
  await start()
  const find = async (): Promise<unknown> => {
    const found = await ask(findCoordinatorRequest, findCoordinatorResponse, { keyType: 1, coordinatorKeys: ['tx'] })
    return found.coordinators
  }
  const errorMessage = expect.stringContaining('transactions')
  expect(await find()).toMatchObject([{ key: 'tx', errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage }])
  await broker.createTopic(connection, '__transaction_state')
  expect(await find()).toMatchObject([{ key: 'tx', errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE }])
})

describe('a group', () => {
  test('of one: from its first join to its deletion', async () => {
    await start()
    const first = await join()
    expect(first).toMatchObject({ errorCode: ErrorCode.MEMBER_ID_REQUIRED, generationId: -1, protocolName: null })
    expect(first.memberId).toMatch(/^client-\d+-[0-9a-f]{8}-[0-9a-f]{4}-4/)
    const me = await stable()
    expect(await stateOf()).toBe('Stable')
    expect(await heartbeat(me)).toBe(0)
    expect(await commit({ generationIdOrMemberEpoch: me.generationId, memberId: me.memberId })).toBe(0)
    expect(await committed()).toBe(5)
    const deletion = { groupsNames: ['g'] }
    const refused = await ask(deleteGroupsRequest, deleteGroupsResponse, deletion)
    expect(refused.results[0]!.errorCode).toBe(ErrorCode.NON_EMPTY_GROUP)
    const left = await ask(leaveGroupRequest, leaveGroupResponse, {
      groupId: 'g',
      members: [{ memberId: me.memberId, groupInstanceId: null, reason: null }],
    })
    expect(left.members[0]!.errorCode).toBe(0)
    expect(await stateOf()).toBe('Empty')
    expect((await ask(deleteGroupsRequest, deleteGroupsResponse, deletion)).results[0]!.errorCode).toBe(0)
    expect([await stateOf(), await committed()]).toEqual(['Dead', -1])
  })

  test('group.initial.rebalance.delay.ms: the first member waits for others, and no longer when none came', async () => {
    await start({ 'group.initial.rebalance.delay.ms': '3000' })
    const startMs = broker.world.clock.monotonicMs()
    expect((await join({ groupInstanceId: 'i' })).generationId).toBe(1)
    expect(broker.world.clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(3000)
    expect(broker.world.clock.monotonicMs() - startMs).toBeLessThan(3100)
  })

  test('a member without heartbeats: gone after its session timeout, and not before', async () => {
    await start()
    await stable()
    await broker.pass(9_000)
    expect(await stateOf()).toBe('Stable')
    await broker.pass(2_000)
    expect(await stateOf()).toBe('Empty')
  })

  test('heartbeats: keep it for as long as they come', async () => {
    await start()
    const me = await stable()
    for (let i = 0; i < 10; i++) {
      await broker.pass(9_000)
      expect(await heartbeat(me)).toBe(0)
    }
    expect(await stateOf()).toBe('Stable')
  })

  test('a second member: the first is told by its heartbeat, and both get their part of the next generation', async () => {
    await start()
    const first = await stable()
    const other = await broker.connect()
    const { memberId } = await join({}, other)
    const joining = other.request(joinGroupRequest, joinGroupResponse, {
      ...{ ...emptyOf(joinGroupRequest), ...joinFields },
      memberId,
    })
    await broker.pass(10)
    expect(await heartbeat(first)).toBe(ErrorCode.REBALANCE_IN_PROGRESS)
    const again = await join({ memberId: first.memberId })
    const second = await broker.during(joining)
    expect([again.generationId, second.generationId, second.leader]).toEqual([2, 2, first.memberId])
    expect([again.members.length, second.members.length]).toEqual([2, 0])
    const syncing = other.request(syncGroupRequest, syncGroupResponse, {
      ...{ ...emptyOf(syncGroupRequest), groupId: 'g', protocolType: 'consumer', protocolName: 'range' },
      ...{ memberId, generationId: 2 },
    })
    const assignments = again.members.map(({ memberId: id }) => ({ memberId: id, assignment: Buffer.from(id) }))
    const mine = await sync({ memberId: first.memberId, generationId: 2, assignments })
    expect([mine.assignment.toString(), (await broker.during(syncing)).assignment.toString()]).toEqual([
      first.memberId,
      memberId,
    ])
  })

  test('static: the instance starts again and goes on under another id; who had the old one is fenced', async () => {
    await start()
    const groupInstanceId = 'i'
    const old = await stable({ groupInstanceId })
    const again = await join({ groupInstanceId })
    expect(again).toMatchObject({ errorCode: 0, generationId: old.generationId, skipAssignment: true })
    expect(again.memberId).not.toBe(old.memberId)
    expect(await heartbeat({ ...old, groupInstanceId })).toBe(ErrorCode.FENCED_INSTANCE_ID)
    const { memberId, generationId } = again
    const synced = await sync({ memberId, generationId, groupInstanceId })
    expect(synced.assignment.toString()).toBe('all')
  })
})

describe('offsets', () => {
  test('offsets.retention.minutes: forgotten so long after the group became empty', async () => {
    await start({ 'offsets.retention.minutes': '60' })
    const me = await stable({ sessionTimeoutMs: 30 * minute })
    expect(await commit({ generationIdOrMemberEpoch: me.generationId, memberId: me.memberId })).toBe(0)
    await broker.pass(80 * minute) // 30 of them as a member
    connection = await broker.connect()
    expect(await committed()).toBe(5)
    await broker.pass(25 * minute)
    connection = await broker.connect()
    expect([await committed(), await stateOf()]).toEqual([-1, 'Dead'])
  })

  test('from outside of any group: committed, listed as Empty, forgotten by the time of the commit', async () => {
    await start({ 'offsets.retention.minutes': '60' })
    expect(await commit({})).toBe(0)
    const { groups } = await ask(listGroupsRequest, listGroupsResponse, {})
    expect(groups).toEqual([{ groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' }])
    await broker.pass(75 * minute)
    connection = await broker.connect()
    expect(await committed()).toBe(-1)
  })

  test('a restart meanwhile: the time counts from when the group became empty; what is forgotten stays so', async () => {
    await start({ 'offsets.retention.minutes': '60' })
    const me = await stable({ sessionTimeoutMs: 30 * minute })
    expect(await commit({ generationIdOrMemberEpoch: me.generationId, memberId: me.memberId })).toBe(0)
    await broker.pass(50 * minute) // 30 of them as a member
    await restart()
    expect([await committed(), await stateOf()]).toEqual([5, 'Empty'])
    await broker.pass(55 * minute)
    connection = await broker.connect()
    expect([await committed(), await stateOf()]).toEqual([-1, 'Dead'])
    await restart()
    expect([await committed(), await stateOf()]).toEqual([-1, 'Dead'])
    expect((await ask(listGroupsRequest, listGroupsResponse, {})).groups).toEqual([])
  })

  test('a group at work: an offset of what it does not read is forgotten, one of what it reads stays', async () => {
    await start({ 'offsets.retention.minutes': '60' })
    const me = await stable({ sessionTimeoutMs: 30 * minute })
    const as = { generationIdOrMemberEpoch: me.generationId, memberId: me.memberId }
    expect([await commit(as), await commit(as, 7, '', 'u')]).toEqual([0, 0])
    for (let passed = 0; passed < 60; passed += 20) {
      expect([await committed('t'), await committed('u')]).toEqual([5, 7])
      await broker.pass(20 * minute)
      connection = await broker.connect()
      expect(await heartbeat(me)).toBe(0)
    }
    // Every ten minutes it is looked for what is old enough.
    await broker.pass(11 * minute)
    connection = await broker.connect()
    expect([await committed('t'), await committed('u'), await stateOf()]).toEqual([5, -1, 'Stable'])
  })

  test('of a topic that is deleted or asked for: gone; of a topic that a member reads: kept', async () => {
    await start()
    const me = await stable()
    const as = { generationIdOrMemberEpoch: me.generationId, memberId: me.memberId }
    expect([await commit(as), await commit(as, 7, '', 'u')]).toEqual([0, 0])
    const deletion = await ask(offsetDeleteRequest, offsetDeleteResponse, {
      groupId: 'g',
      topics: ['t', 'u', 'none'].map(name => ({ name, partitions: [{ partitionIndex: 0 }] })),
    })
    expect([deletion.errorCode, ...deletion.topics.map(({ partitions }) => partitions[0]!.errorCode)]).toEqual([
      0,
      ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
      0,
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ])
    expect([await committed('t'), await committed('u')]).toEqual([5, -1])
  })

  test('offset.metadata.max.bytes, unknown topic: an error of that partition', async () => {
    await start({ 'offset.metadata.max.bytes': '10' })
    expect(await commit({}, 5, 'x'.repeat(10))).toBe(0)
    expect(await commit({}, 5, 'x'.repeat(11))).toBe(ErrorCode.OFFSET_METADATA_TOO_LARGE)
    expect(await commit({}, 5, '', 'none')).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
  })
})

describe('bad input', () => {
  const unknown = { memberId: 'nobody', generationId: 1 }
  test.each<[string, () => Promise<number>, ErrorCode]>([
    ['join: empty group', async () => (await join({ groupId: '' })).errorCode, ErrorCode.INVALID_GROUP_ID],
    [
      'join: short session',
      async () => (await join({ sessionTimeoutMs: 5_999 })).errorCode,
      ErrorCode.INVALID_SESSION_TIMEOUT,
    ],
    [
      'join: long session',
      async () => (await join({ sessionTimeoutMs: 1_800_001 })).errorCode,
      ErrorCode.INVALID_SESSION_TIMEOUT,
    ],
    ['join: unknown member', async () => (await join({ memberId: 'nobody' })).errorCode, ErrorCode.UNKNOWN_MEMBER_ID],
    [
      'join: other protocol type',
      async () => (await join({ protocolType: 'connect' })).errorCode,
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    ],
    [
      'join: no common protocol',
      async () => (await join({ protocols: [{ name: 'x', metadata: Buffer.alloc(0) }] })).errorCode,
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    ],
    [
      'join: no protocol',
      async () => (await join({ groupId: 'h', protocols: [] })).errorCode,
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    ],
    ['sync: unknown member', async () => (await sync(unknown)).errorCode, ErrorCode.UNKNOWN_MEMBER_ID],
    [
      'sync: unknown group',
      async () => (await sync({ ...unknown, groupId: 'h' })).errorCode,
      ErrorCode.UNKNOWN_MEMBER_ID,
    ],
    [
      'sync: without protocol',
      async () => (await sync({ ...unknown, protocolName: null })).errorCode,
      ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
    ],
    ['heartbeat: empty group', () => heartbeat({ ...unknown, groupId: '' }), ErrorCode.INVALID_GROUP_ID],
    ['heartbeat: unknown member', () => heartbeat(unknown), ErrorCode.UNKNOWN_MEMBER_ID],
    ['heartbeat: unknown instance', () => heartbeat({ ...unknown, groupInstanceId: 'i' }), ErrorCode.UNKNOWN_MEMBER_ID],
    [
      'commit: unknown member',
      () => commit({ memberId: 'nobody', generationIdOrMemberEpoch: 1 }),
      ErrorCode.UNKNOWN_MEMBER_ID,
    ],
    ['commit: from outside, while there are members', () => commit({}), ErrorCode.UNKNOWN_MEMBER_ID],
    [
      'commit: unknown group',
      () => commit({ groupId: 'h', memberId: 'x', generationIdOrMemberEpoch: 1 }),
      ErrorCode.ILLEGAL_GENERATION,
    ],
    [
      'leave: empty group',
      async () => (await ask(leaveGroupRequest, leaveGroupResponse, { groupId: '' })).errorCode,
      ErrorCode.INVALID_GROUP_ID,
    ],
    [
      'leave: unknown group',
      async () => {
        const members = [{ memberId: 'x', groupInstanceId: null, reason: null }]
        return (await ask(leaveGroupRequest, leaveGroupResponse, { groupId: 'h', members })).members[0]!.errorCode
      },
      ErrorCode.UNKNOWN_MEMBER_ID,
    ],
    [
      'delete: unknown group',
      async () => (await ask(deleteGroupsRequest, deleteGroupsResponse, { groupsNames: ['h'] })).results[0]!.errorCode,
      ErrorCode.GROUP_ID_NOT_FOUND,
    ],
    [
      'delete offsets: unknown group',
      async () => (await ask(offsetDeleteRequest, offsetDeleteResponse, { groupId: 'h' })).errorCode,
      ErrorCode.GROUP_ID_NOT_FOUND,
    ],
    [
      'find: unknown key type',
      async () =>
        (await ask(findCoordinatorRequest, findCoordinatorResponse, { coordinatorKeys: ['g'], keyType: 3 }))
          .coordinators[0]!.errorCode,
      ErrorCode.INVALID_REQUEST,
    ],
  ])('%s', async (_, request, expected) => {
    await start()
    await stable()
    expect(await request()).toBe(expected)
  })

  test('generations of the past and of the future: ILLEGAL_GENERATION', async () => {
    await start()
    const me = await stable()
    for (const generationId of [me.generationId - 1, me.generationId + 1]) {
      expect(await heartbeat({ ...me, generationId })).toBe(ErrorCode.ILLEGAL_GENERATION)
      expect((await sync({ ...me, generationId })).errorCode).toBe(ErrorCode.ILLEGAL_GENERATION)
      expect(await commit({ memberId: me.memberId, generationIdOrMemberEpoch: generationId })).toBe(
        ErrorCode.ILLEGAL_GENERATION,
      )
    }
  })

  test('group.max.size: one member more is refused', async () => {
    await start({ 'group.max.size': '1' })
    await stable()
    expect(await join()).toMatchObject({ errorCode: ErrorCode.GROUP_MAX_SIZE_REACHED, memberId: '' })
  })

  test('group.min.session.timeout.ms, group.max.session.timeout.ms: the bounds of a session', async () => {
    await start({ 'group.min.session.timeout.ms': '100', 'group.max.session.timeout.ms': '200' })
    const codes = []
    for (const sessionTimeoutMs of [99, 100, 200, 201]) codes.push((await join({ sessionTimeoutMs })).errorCode)
    expect(codes).toEqual([
      ErrorCode.INVALID_SESSION_TIMEOUT,
      ErrorCode.MEMBER_ID_REQUIRED,
      ErrorCode.MEMBER_ID_REQUIRED,
      ErrorCode.INVALID_SESSION_TIMEOUT,
    ])
  })
})

describe('the topic of the offsets', () => {
  test('offsets.topic.num.partitions, offsets.topic.segment.bytes, offsets.topic.replication.factor: as told, on first use', async () => {
    await start({ 'offsets.topic.segment.bytes': '2000', 'offsets.topic.replication.factor': '1' })
    const { topics } = await ask(metadataRequest, metadataResponse, {
      topics: [{ name: '__consumer_offsets', topicId: ZERO_UUID }],
    })
    expect(topics[0]!.partitions.map(({ replicaNodes }) => replicaNodes)).toEqual([[1], [1], [1]])
    const names = ['cleanup.policy', 'segment.bytes', 'compression.type']
    const { results } = await ask(describeConfigsRequest, describeConfigsResponse, {
      resources: [{ resourceType: 2, resourceName: '__consumer_offsets', configurationKeys: names }],
    })
    expect(Object.fromEntries(results[0]!.configs.map(({ name, value }) => [name, value]))).toEqual({
      'cleanup.policy': 'compact',
      'segment.bytes': '2000',
      'compression.type': 'producer',
    })
  })

  test.each([
    [0, 'none'],
    [1, 'gzip'],
    [4, 'zstd'],
  ] as const)('offsets.topic.compression.codec=%d: batches are compressed with %s', async (id, codec) => {
    await start({ 'offsets.topic.compression.codec': String(id), 'offsets.topic.num.partitions': '1' })
    expect(await commit({}, 7, 'text '.repeat(50))).toBe(0)
    const [name] = broker.files.list('/data/__consumer_offsets-0').filter(each => each.endsWith('.log'))
    expect(new RecordBatch(broker.files.readFile(`/data/__consumer_offsets-0/${name}`)).codec).toBe(codec)
    expect(await committed()).toBe(7)
  })

  test('offsets.retention.check.interval.ms: looked for so often', async () => {
    await start({ 'offsets.retention.minutes': '1', 'offsets.retention.check.interval.ms': String(30 * minute) })
    expect(await commit({})).toBe(0)
    await broker.pass(29 * minute)
    connection = await broker.connect()
    expect(await committed()).toBe(5)
    await broker.pass(2 * minute)
    expect(await committed()).toBe(-1)
  })
})
