import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { joinGroupRequest, joinGroupResponse, type JoinGroupResponse } from '@millrace/protocol/messages/11-join-group'
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import { leaveGroupRequest, leaveGroupResponse } from '@millrace/protocol/messages/13-leave-group'
import { syncGroupRequest, syncGroupResponse } from '@millrace/protocol/messages/14-sync-group'
import { describeGroupsRequest, describeGroupsResponse } from '@millrace/protocol/messages/15-describe-groups'
import { listGroupsRequest, listGroupsResponse } from '@millrace/protocol/messages/16-list-groups'
import { deleteGroupsRequest, deleteGroupsResponse } from '@millrace/protocol/messages/42-delete-groups'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import { offsetDeleteRequest, offsetDeleteResponse } from '@millrace/protocol/messages/47-offset-delete'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { startCluster, type Cluster } from '@millrace/testing/cluster/cluster'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'

/* The leadership of the partition that a group lies in goes from one broker to another, and both go on running. */

jest.setTimeout(60_000)

const offsetsTopic = '__consumer_offsets'
const protocol = { protocolType: 'consumer', protocols: [{ name: 'range', metadata: Buffer.from('m') }] }
const patience = { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 60_000 }

let cluster: Cluster
let client: ClusterClient
/** Of whoever is kept waiting: a broker takes the requests of a connection one after another. */
let other: ClusterClient

beforeEach(async () => {
  cluster = await startCluster({
    brokers: 2,
    properties: { 'auto.leader.rebalance.enable': 'false' },
  })
  client = new ClusterClient(() => cluster.brokers)
  other = new ClusterClient(() => cluster.brokers)
  await client.createTopic(offsetsTopic, { assignments: [[1, 2]], configs: { 'cleanup.policy': 'compact' } })
  await client.createTopic('t', { assignments: [[1, 2]] })
  await client.until('all know the coordinator and the topic', async () => {
    const codes = await Promise.all([1, 2].map(id => client.partition('t', 0, id)))
    return codes.length === 2 && (await coordinatorOf(1)) === 1 && (await coordinatorOf(2)) === 1
  })
})
afterEach(async () => {
  await client.close()
  await other.close()
  await cluster.close()
})

const ask = <Q extends object, R>(
  brokerId: number,
  request: Message<Q>,
  response: Message<R>,
  fields: Partial<Q>,
): Promise<R> => client.ask(brokerId, request, response, { ...emptyOf(request), ...fields })

async function coordinatorOf(askedBrokerId: number): Promise<number> {
  const fields = { coordinatorKeys: ['g'] }
  const { coordinators } = await ask(askedBrokerId, findCoordinatorRequest, findCoordinatorResponse, fields)
  return coordinators[0]!.nodeId
}

/** The first replica leads when it is asked for: reorders them, then elects. Resolves when both brokers know. */
async function moveTo(brokerId: number): Promise<void> {
  const replicas = brokerId === 1 ? [1, 2] : [2, 1]
  const { controllerId } = await client.metadata(null)
  const partitions = [{ partitionIndex: 0, replicas }]
  await ask(controllerId, alterPartitionReassignmentsRequest, alterPartitionReassignmentsResponse, {
    topics: [{ name: offsetsTopic, partitions }],
  })
  await client.until('led by the first replica', async () => {
    const topicPartitions = [{ topic: offsetsTopic, partitions: [0] }]
    await ask(controllerId, electLeadersRequest, electLeadersResponse, { electionType: 0, topicPartitions })
    return (await coordinatorOf(1)) === brokerId && (await coordinatorOf(2)) === brokerId
  })
}

interface Me {
  readonly groupId: string
  readonly memberId: string
  readonly groupInstanceId: string
  readonly generationId: number
}

/** A static member, alone in its group, with an assignment. */
async function stableMember(): Promise<Me> {
  let joined: JoinGroupResponse | undefined
  await client.until('joined', async () => {
    const me = { groupId: 'g', groupInstanceId: 'i', ...patience, ...protocol }
    joined = await ask(1, joinGroupRequest, joinGroupResponse, me)
    return joined.errorCode === ErrorCode.NONE
  })
  const { memberId, generationId } = joined!
  const me = { groupId: 'g', memberId, groupInstanceId: 'i', generationId }
  expect(await sync(1, me, [{ memberId, assignment: Buffer.from('all') }])).toEqual([ErrorCode.NONE, 'all'])
  return me
}

async function sync(
  brokerId: number,
  me: Me,
  assignments: { memberId: string; assignment: Buffer }[] = [],
): Promise<[errorCode: number, assignment: string]> {
  const fields = { ...me, protocolType: 'consumer', protocolName: 'range', assignments }
  const { errorCode, assignment } = await ask(brokerId, syncGroupRequest, syncGroupResponse, fields)
  return [errorCode, assignment.toString()]
}

async function commit(brokerId: number, { generationId, ...me }: Me, offset: number): Promise<number> {
  const partition = { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, commitTimestamp: -1 }
  const response = await ask(brokerId, offsetCommitRequest, offsetCommitResponse, {
    ...{ ...me, generationIdOrMemberEpoch: generationId },
    topics: [{ name: 't', partitions: [{ ...partition, committedMetadata: '' }] }],
  })
  return response.topics[0]!.partitions[0]!.errorCode
}

async function committed(brokerId: number): Promise<[errorCode: number, offset: number | undefined]> {
  const topics = [{ name: 't', partitionIndexes: [0] }]
  const response = await ask(brokerId, offsetFetchRequest, offsetFetchResponse, {
    groups: [{ groupId: 'g', memberId: null, memberEpoch: -1, topics }],
  })
  return [response.groups[0]!.errorCode, response.groups[0]!.topics[0]?.partitions[0]?.committedOffset]
}

const heartbeat = async (brokerId: number, me: Me): Promise<number> =>
  (await ask(brokerId, heartbeatRequest, heartbeatResponse, me)).errorCode

const untilLoaded = (brokerId: number): Promise<void> =>
  client.until('loaded', async () => {
    const [errorCode] = await committed(brokerId)
    if (errorCode !== ErrorCode.NONE) expect([ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]).toContain(errorCode) // prettier-ignore
    return errorCode === ErrorCode.NONE
  })

test('groups: another broker leads, then the first again: the former one answers NOT_COORDINATOR, and nothing is forgotten', async () => {
  const me = await stableMember()
  expect(await commit(1, me, 5)).toBe(ErrorCode.NONE)
  expect(await heartbeat(2, me)).toBe(ErrorCode.NOT_COORDINATOR)

  await moveTo(2)
  await untilLoaded(2)
  const { groupId } = me
  const joining = { groupId, ...patience, ...protocol }
  const named = { groupId, protocolType: 'consumer', protocolName: 'range' }
  const answers = {
    join: (await ask(1, joinGroupRequest, joinGroupResponse, joining)).errorCode,
    sync: (await ask(1, syncGroupRequest, syncGroupResponse, { ...me, ...named })).errorCode,
    heartbeat: await heartbeat(1, me),
    leave: (await ask(1, leaveGroupRequest, leaveGroupResponse, { groupId, members: [] })).errorCode,
    commit: await commit(1, me, 6),
    fetch: (await committed(1))[0],
    describe: (await ask(1, describeGroupsRequest, describeGroupsResponse, { groups: [groupId] })).groups[0]!.errorCode,
    delete: (await ask(1, deleteGroupsRequest, deleteGroupsResponse, { groupsNames: [groupId] })).results[0]!.errorCode,
    deleteOffsets: (await ask(1, offsetDeleteRequest, offsetDeleteResponse, { groupId })).errorCode,
    list: (await ask(1, listGroupsRequest, listGroupsResponse, {})).groups,
  }
  const refused = ErrorCode.NOT_COORDINATOR
  expect(answers).toEqual({
    ...{ join: refused, sync: refused, heartbeat: refused, leave: refused, commit: refused, fetch: refused },
    ...{ describe: refused, delete: refused, deleteOffsets: refused, list: [] },
  })

  expect(await heartbeat(2, me)).toBe(ErrorCode.NONE)
  expect(await sync(2, me)).toEqual([ErrorCode.NONE, 'all'])
  expect(await committed(2)).toEqual([ErrorCode.NONE, 5])
  expect(await commit(2, me, 7)).toBe(ErrorCode.NONE)

  await moveTo(1)
  await untilLoaded(1)
  expect(await heartbeat(2, me)).toBe(ErrorCode.NOT_COORDINATOR)
  expect(await heartbeat(1, me)).toBe(ErrorCode.NONE)
  expect(await sync(1, me)).toEqual([ErrorCode.NONE, 'all'])
  expect(await committed(1)).toEqual([ErrorCode.NONE, 7])
})

test('groups: another broker leads while members wait for a rebalance: they are told, and it happens there', async () => {
  const me = await stableMember()
  // It waits for the member that is there, which does not come.
  const waiting = other.ask(1, joinGroupRequest, joinGroupResponse, {
    ...emptyOf(joinGroupRequest),
    ...{ groupId: 'g', groupInstanceId: 'second', ...patience, ...protocol },
  })
  await client.until('a rebalance', async () => (await heartbeat(1, me)) === ErrorCode.REBALANCE_IN_PROGRESS)
  await moveTo(2)
  expect((await waiting).errorCode).toBe(ErrorCode.NOT_COORDINATOR)

  // What was not written down is not known: the group is as it was before.
  await untilLoaded(2)
  expect(await heartbeat(2, me)).toBe(ErrorCode.NONE)
  const again = other.ask(2, joinGroupRequest, joinGroupResponse, {
    ...emptyOf(joinGroupRequest),
    ...{ groupId: 'g', groupInstanceId: 'second', ...patience, ...protocol },
  })
  await client.until('a rebalance', async () => (await heartbeat(2, me)) === ErrorCode.REBALANCE_IN_PROGRESS)
  const rejoined = await ask(2, joinGroupRequest, joinGroupResponse, { ...me, ...patience, ...protocol })
  const joined = await again
  expect([rejoined.errorCode, joined.errorCode]).toEqual([ErrorCode.NONE, ErrorCode.NONE])
  expect(rejoined.generationId).toBe(me.generationId + 1)
  expect(joined.generationId).toBe(me.generationId + 1)
})
