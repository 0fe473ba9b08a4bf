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
import { defineParkedHandler } from './handler.ts'

export default defineParkedHandler(
  syncGroupRequest,
  syncGroupResponse,
  [0, 5],
  (request, { apiVersion }, { groups }: Pick<GroupServices, 'groups'>, reply) => {
    const isNamed = request.protocolType !== null && request.protocolName !== null
    if (apiVersion >= 5 && !isNamed) {
      reply({ throttleTimeMs: 0, ...syncRefused(ErrorCode.INCONSISTENT_GROUP_PROTOCOL) })
      return
    }
    groups.sync(request, ({ errorCode, protocolType, protocolName, assignment }) =>
      reply({ throttleTimeMs: 0, errorCode, protocolType, protocolName, assignment }),
    )
  },
  // What the group keeps of it is copied.
  { retainFrom: Infinity },
)
