// DescribeGroups: v0-5
//
// Behavior
// - State and members. A group that nobody knows is Dead, without an error. What members can do and got is told of Stable groups only.
// Version notes
// - v3: authorized operations (KIP-430). v4: instance ids (KIP-345).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  describeGroupsRequest,
  describeGroupsResponse,
  type DescribedGroup,
} from '@millrace/protocol/messages/15-describe-groups'
import type { Group } from '../core/groups/group.ts'
import { nothing } from '../core/groups/group-requests.ts'
import { ALL_GROUP_OPERATIONS, OPERATIONS_NOT_REQUESTED } from './authorized-operations.ts'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

export default defineHandler(
  describeGroupsRequest,
  describeGroupsResponse,
  [0, 5],
  (request, _context, { groups }: Pick<GroupServices, 'groups'>) => {
    const authorizedOperations = request.includeAuthorizedOperations ? ALL_GROUP_OPERATIONS : OPERATIONS_NOT_REQUESTED
    return {
      throttleTimeMs: 0,
      groups: request.groups.map(groupId => {
        const found = groups.describe(groupId)
        const described = typeof found === 'number' ? unknown(groupId, '', found) : describe(groupId, found)
        return { ...described, authorizedOperations }
      }),
    }
  },
  { retainFrom: Infinity },
)

type Described = Omit<DescribedGroup, 'authorizedOperations'>

function describe(groupId: string, group: Group | undefined): Described {
  if (group === undefined) return unknown(groupId, 'Dead', ErrorCode.NONE)
  const isStable = group.is('Stable')
  return {
    errorCode: ErrorCode.NONE,
    groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: [...group.members.values()].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? group.metadataOf(member) : nothing,
      memberAssignment: isStable ? member.assignment : nothing,
    })),
  }
}

function unknown(groupId: string, groupState: string, errorCode: ErrorCode): Described {
  return { errorCode, groupId, groupState, protocolType: '', protocolData: '', members: [] }
}
