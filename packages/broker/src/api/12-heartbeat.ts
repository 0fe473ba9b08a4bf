// Heartbeat: v0-4
//
// Behavior
// - Keeps a member alive and tells it to join again (REBALANCE_IN_PROGRESS) while its group rebalances.
// Version notes
// - v3: static members (KIP-345).
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

export default defineHandler(
  heartbeatRequest,
  heartbeatResponse,
  [0, 4],
  (request, _context, { groups }: Pick<GroupServices, 'groups'>) => ({
    throttleTimeMs: 0,
    errorCode: groups.heartbeat(request),
  }),
  { retainFrom: Infinity },
)
