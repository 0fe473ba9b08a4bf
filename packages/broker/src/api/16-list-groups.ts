// ListGroups: v0-5
//
// Behavior
// - The groups that this broker coordinates; while some are loading those that are not, with COORDINATOR_LOAD_IN_PROGRESS.
// Version notes
// - v4: only those in some states (KIP-518). v5: only those of some types (KIP-848); here every group is classic.
import { ErrorCode } from '@millrace/protocol/errors'
import { listGroupsRequest, listGroupsResponse } from '@millrace/protocol/messages/16-list-groups'
import type { GroupServices } from './group-services.ts'
import { defineHandler } from './handler.ts'

const groupType = 'classic'

export default defineHandler(
  listGroupsRequest,
  listGroupsResponse,
  [0, 5],
  ({ statesFilter, typesFilter }, _context, services: Pick<GroupServices, 'groups'>) => {
    const { groups, isComplete } = services.groups.list()
    const isWanted = filter(statesFilter)
    const listed = filter(typesFilter)(groupType) ? groups.filter(({ state }) => isWanted(state)) : []
    return {
      throttleTimeMs: 0,
      errorCode: isComplete ? ErrorCode.NONE : ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
      groups: listed.map(({ groupId, protocolType, state }) => ({
        groupId,
        protocolType: protocolType ?? '',
        groupState: state,
        groupType,
      })),
    }
  },
  { retainFrom: Infinity },
)

/** No names: all. In any case, as Kafka takes them. */
function filter(names: readonly string[]): (name: string) => boolean {
  const wanted = new Set(names.map(name => name.toLowerCase()))
  return name => wanted.size === 0 || wanted.has(name.toLowerCase())
}
