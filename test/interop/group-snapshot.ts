import { errorName } from '@millrace/protocol/errors'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { describeGroupsRequest, describeGroupsResponse } from '@millrace/protocol/messages/15-describe-groups'
import { listGroupsRequest, listGroupsResponse } from '@millrace/protocol/messages/16-list-groups'
import { emptyOf } from '@millrace/protocol/schema'
import type { ClusterClient } from '@millrace/testing/workload/cluster-client'

interface Offset {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string | null
  readonly error: string
}

/** Everything that a coordinator says of a group, whichever product it is of. */
export interface GroupSnapshot {
  readonly state: string
  readonly protocol: string
  readonly members: readonly string[]
  /** By `topic-partition`. */
  readonly offsets: Readonly<Record<string, Offset>>
  /** The same, where nothing that is on its way may be ignored (requireStable). */
  readonly stableOffsets: Readonly<Record<string, Offset>>
}

export async function coordinatorOf(client: ClusterClient, groupId: string, askedId: number): Promise<number> {
  const { coordinators } = await client.ask(askedId, findCoordinatorRequest, findCoordinatorResponse, {
    ...emptyOf(findCoordinatorRequest),
    coordinatorKeys: [groupId],
  })
  const { errorCode, nodeId } = coordinators[0]!
  if (errorCode !== 0) throw new Error(`${groupId} has no coordinator: ${errorName(errorCode)}`)
  return nodeId
}

/** All groups of these brokers. Throws while one of them loads. */
export async function groupsOf(
  client: ClusterClient,
  brokerIds: readonly number[],
): Promise<Map<string, GroupSnapshot>> {
  const groups = new Map<string, GroupSnapshot>()
  for (const id of brokerIds) {
    const list = await client.ask(id, listGroupsRequest, listGroupsResponse, emptyOf(listGroupsRequest))
    if (list.errorCode !== 0) throw new Error(`groups of ${id}: ${errorName(list.errorCode)}`)
    for (const { groupId } of list.groups) groups.set(groupId, await groupOf(client, groupId, id))
  }
  return new Map([...groups].sort(([left], [right]) => (left < right ? -1 : 1)))
}

async function groupOf(client: ClusterClient, groupId: string, id: number): Promise<GroupSnapshot> {
  const request = { ...emptyOf(describeGroupsRequest), groups: [groupId] }
  const group = (await client.ask(id, describeGroupsRequest, describeGroupsResponse, request)).groups[0]!
  if (group.errorCode !== 0) throw new Error(`${groupId}: ${errorName(group.errorCode)}`)
  return {
    state: group.groupState,
    protocol: `${group.protocolType} ${group.protocolData}`,
    members: group.members
      .map(({ memberId, groupInstanceId, clientId, clientHost, memberMetadata, memberAssignment }) =>
        [
          ...[memberId, groupInstanceId, clientId, clientHost],
          ...[memberMetadata.toString('hex'), memberAssignment.toString('hex')],
        ].join(' '),
      )
      .sort(),
    offsets: await offsetsOf(client, groupId, id, false),
    stableOffsets: await offsetsOf(client, groupId, id, true),
  }
}

async function offsetsOf(
  client: ClusterClient,
  groupId: string,
  id: number,
  requireStable: boolean,
): Promise<Record<string, Offset>> {
  const answer = await client.ask(
    id,
    offsetFetchRequest,
    offsetFetchResponse,
    {
      ...emptyOf(offsetFetchRequest),
      groups: [{ groupId, memberId: null, memberEpoch: -1, topics: null }],
      requireStable,
    },
    8,
  )
  const group = answer.groups[0]!
  if (group.errorCode !== 0) throw new Error(`offsets of ${groupId}: ${errorName(group.errorCode)}`)
  const offsets = group.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata, errorCode }) => [
      `${name}-${partitionIndex}`,
      { offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata, error: errorName(errorCode) },
    ]),
  )
  return Object.fromEntries(offsets.sort(([left], [right]) => (left! < right! ? -1 : 1))) as Record<string, Offset>
}
