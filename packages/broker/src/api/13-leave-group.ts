// LeaveGroup: v0-5
//
// Behavior
// - Members go at once; the others are told to join again with their next heartbeat.
// Version notes
// - v0-2: one member, whose error is that of the request. v3: several, by instance id too (KIP-345). v5: a reason (KIP-800).
import { ErrorCode } from '@millrace/protocol/errors'
import { leaveGroupRequest, leaveGroupResponse } from '@millrace/protocol/messages/13-leave-group'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

export default defineHandler(
  leaveGroupRequest,
  leaveGroupResponse,
  [0, 5],
  (request, { apiVersion }, { groups }: Pick<GroupServices, 'groups'>) => {
    const single = [{ memberId: request.memberId, groupInstanceId: null }]
    const members = apiVersion < 3 ? single : request.members
    const outcome = groups.leave(request.groupId, members)
    if (typeof outcome === 'number') return { throttleTimeMs: 0, errorCode: outcome, members: [] }
    if (apiVersion < 3) return { throttleTimeMs: 0, errorCode: outcome[0] ?? ErrorCode.NONE, members: [] }
    return {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      members: members.map(({ memberId, groupInstanceId }, index) => ({
        memberId,
        groupInstanceId,
        errorCode: outcome[index] ?? ErrorCode.NONE,
      })),
    }
  },
  { retainFrom: Infinity },
)
