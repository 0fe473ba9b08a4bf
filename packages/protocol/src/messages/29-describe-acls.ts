// DescribeAcls, v0-3: lists ACLs that match a filter.
// v1: pattern types (KIP-290). v2: flexible. v3: users by delegation token (KIP-373).
import { array, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const describeAclsRequest = message('DescribeAclsRequest', 29, '0-3', '2+', {
  resourceTypeFilter: int8('0+'),
  resourceNameFilter: string('0+').nullable(),
  patternTypeFilter: int8('1+').default(3),
  principalFilter: string('0+').nullable(),
  hostFilter: string('0+').nullable(),
  operation: int8('0+'),
  permissionType: int8('0+'),
})
export type DescribeAclsRequest = Infer<typeof describeAclsRequest>

export const describeAclsResponse = message('DescribeAclsResponse', 29, '0-3', '2+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
  resources: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    patternType: int8('1+').default(3),
    acls: array('0+', {
      principal: string('0+'),
      host: string('0+'),
      operation: int8('0+'),
      permissionType: int8('0+'),
    }),
  }),
})
export type DescribeAclsResponse = Infer<typeof describeAclsResponse>
export type DescribeAclsResource = DescribeAclsResponse['resources'][number]
export type AclDescription = DescribeAclsResource['acls'][number]
