// DeleteGroups, v0-2: deletes groups without members (KIP-229).
// v2: flexible.
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const deleteGroupsRequest = message('DeleteGroupsRequest', 42, '0-2', '2+', {
  groupsNames: array('0+', string()),
})
export type DeleteGroupsRequest = Infer<typeof deleteGroupsRequest>

export const deleteGroupsResponse = message('DeleteGroupsResponse', 42, '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', { groupId: string('0+'), errorCode: int16('0+') }),
})
export type DeleteGroupsResponse = Infer<typeof deleteGroupsResponse>
export type DeletableGroupResult = DeleteGroupsResponse['results'][number]
