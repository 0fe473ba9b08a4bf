// DeleteGroups: v0-2
//
// Behavior
// - A group without members goes with all its offsets (KIP-229).
import { deleteGroupsRequest, deleteGroupsResponse } from '@millrace/protocol/messages/42-delete-groups'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

export default defineHandler(
  deleteGroupsRequest,
  deleteGroupsResponse,
  [0, 2],
  async ({ groupsNames }, _context, { groups }: Pick<GroupServices, 'groups'>) => {
    const names = [...new Set(groupsNames)]
    const results = names.map(async groupId => ({ groupId, errorCode: await groups.deleteGroup(groupId) }))
    return { throttleTimeMs: 0, results: await Promise.all(results) }
  },
  { retainFrom: Infinity },
)
