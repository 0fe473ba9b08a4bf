// JoinGroup: v0-9
//
// Behavior
// - Parked until the group has gathered, or answered at once with why not. The leader gets the list of members.
// Version notes
// - v0: the session timeout is the rebalance timeout too. v4: a new member first gets its id (KIP-394). v5: static members (KIP-345).
// - v7: protocolType; before, an answer without a protocol has an empty name (KIP-559). v9: skipAssignment (KIP-814).
import { joinGroupRequest, joinGroupResponse } from '@millrace/protocol/messages/11-join-group'
import { uuidText } from '../metadata/uuid.ts'
import type { GroupServices } from './group-services.ts'
import { defineParkedHandler } from './handler.ts'

export default defineParkedHandler(
  joinGroupRequest,
  joinGroupResponse,
  [0, 9],
  (request, context, { groups, random }: Pick<GroupServices, 'groups' | 'random'>, reply) => {
    const { apiVersion } = context
    const { groupId, memberId, groupInstanceId, protocolType, sessionTimeoutMs } = request
    const clientId = context.clientId ?? ''
    const join = {
      ...{ groupId, memberId, groupInstanceId, protocolType, sessionTimeoutMs, clientId },
      clientHost: `/${context.clientAddress}`,
      rebalanceTimeoutMs: apiVersion === 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocols: request.protocols,
      freshMemberId: memberId === '' ? `${groupInstanceId ?? clientId}-${uuidText(random)}` : '',
      requiresKnownMemberId: apiVersion >= 4 && groupInstanceId === null,
      supportsSkippingAssignment: apiVersion >= 9,
    }
    groups.join(join, joined => {
      reply({
        throttleTimeMs: 0,
        errorCode: joined.errorCode,
        generationId: joined.generationId,
        protocolType: joined.protocolType,
        protocolName: apiVersion >= 7 ? joined.protocolName : (joined.protocolName ?? ''),
        leader: joined.leader,
        skipAssignment: joined.skipAssignment,
        memberId: joined.memberId,
        members: [...joined.members],
      })
    })
  },
  // What a member keeps of it is copied.
  { retainFrom: Infinity },
)
