// SyncGroup: v0-5
//
// Behavior
// - The leader brings what it assigned; everybody gets their part when that is written.
// Version notes
// - v3: static members (KIP-345). v5: protocol type and name, which have to be the group's (KIP-559).
import { ErrorCode } from '@millrace/protocol/errors'
import { syncGroupRequest, syncGroupResponse } from '@millrace/protocol/messages/14-sync-group'
import { syncRefused } from '../core/groups/group-requests.ts'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'
import { ownCopies } from './own-copy.ts'

export default defineHandler(
  syncGroupRequest,
  syncGroupResponse,
  [0, 5],
  async (request, { apiVersion }, { groups }: Pick<GroupServices, 'groups'>) => {
    const isNamed = request.protocolType !== null && request.protocolName !== null
    if (apiVersion >= 5 && !isNamed) {
      return { throttleTimeMs: 0, ...syncRefused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL) }
    }
    const parts = ownCopies(request.assignments.map(({ assignment }) => assignment))
    const assignments = request.assignments.map(({ memberId }, index) => ({ memberId, assignment: parts[index]! }))
    const reply = await groups.sync({ ...request, assignments })
    return { throttleTimeMs: 0, ...reply }
  },
)
