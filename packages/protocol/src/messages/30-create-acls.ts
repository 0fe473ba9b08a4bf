// CreateAcls, v0-3: creates ACLs.
// v1: pattern types (KIP-290). v2: flexible. v3: users by delegation token (KIP-373).
import { array, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const createAclsRequest = message('CreateAclsRequest', 30, '0-3', '2+', {
  creations: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    resourcePatternType: int8('1+').default(3),
    principal: string('0+'),
    host: string('0+'),
    operation: int8('0+'),
    permissionType: int8('0+'),
  }),
})
export type CreateAclsRequest = Infer<typeof createAclsRequest>
export type AclCreation = CreateAclsRequest['creations'][number]

export const createAclsResponse = message('CreateAclsResponse', 30, '0-3', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', { errorCode: int16('0+'), errorMessage: string('0+').nullable() }),
})
export type CreateAclsResponse = Infer<typeof createAclsResponse>
export type AclCreationResult = CreateAclsResponse['results'][number]
