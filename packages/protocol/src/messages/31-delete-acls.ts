// DeleteAcls, v0-3: deletes ACLs that match filters.
// v1: pattern types (KIP-290). v2: flexible. v3: users by delegation token (KIP-373).
import { array, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const deleteAclsRequest = message('DeleteAclsRequest', 31, '0-3', '2+', {
  filters: array('0+', {
    resourceTypeFilter: int8('0+'),
    resourceNameFilter: string('0+').nullable(),
    patternTypeFilter: int8('1+').default(3),
    principalFilter: string('0+').nullable(),
    hostFilter: string('0+').nullable(),
    operation: int8('0+'),
    permissionType: int8('0+'),
  }),
})
export type DeleteAclsRequest = Infer<typeof deleteAclsRequest>
export type DeleteAclsFilter = DeleteAclsRequest['filters'][number]

export const deleteAclsResponse = message('DeleteAclsResponse', 31, '0-3', '2+', {
  throttleTimeMs: int32('0+'),
  filterResults: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
    matchingAcls: array('0+', {
      errorCode: int16('0+'),
      errorMessage: string('0+').nullable(),
      resourceType: int8('0+'),
      resourceName: string('0+'),
      patternType: int8('1+').default(3),
      principal: string('0+'),
      host: string('0+'),
      operation: int8('0+'),
      permissionType: int8('0+'),
    }),
  }),
})
export type DeleteAclsResponse = Infer<typeof deleteAclsResponse>
export type DeleteAclsFilterResult = DeleteAclsResponse['filterResults'][number]
export type DeleteAclsMatchingAcl = DeleteAclsFilterResult['matchingAcls'][number]
