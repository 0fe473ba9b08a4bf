// ListGroups, v0-5: groups that this broker coordinates.
// v1: throttle time. v3: flexible. v4: filter by state (KIP-518). v5: filter by type (KIP-848).
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const listGroupsRequest = message('ListGroupsRequest', 16, '0-5', '3+', {
  statesFilter: array('4+', string()),
  typesFilter: array('5+', string()),
})
export type ListGroupsRequest = Infer<typeof listGroupsRequest>

export const listGroupsResponse = message('ListGroupsResponse', 16, '0-5', '3+', {
  throttleTimeMs: int32('1+').ignorable(),
  errorCode: int16('0+'),
  groups: array('0+', {
    groupId: string('0+'),
    protocolType: string('0+'),
    groupState: string('4+').ignorable(),
    groupType: string('5+').ignorable(),
  }),
})
export type ListGroupsResponse = Infer<typeof listGroupsResponse>
export type ListedGroup = ListGroupsResponse['groups'][number]
