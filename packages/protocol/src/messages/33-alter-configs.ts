// AlterConfigs, v0-2: replaces all configs of a resource. IncrementalAlterConfigs superseded it.
// v2: flexible.
import { array, bool, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const alterConfigsRequest = message('AlterConfigsRequest', 33, '0-2', '2+', {
  resources: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    configs: array('0+', { name: string('0+'), value: string('0+').nullable() }),
  }),
  validateOnly: bool('0+'),
})
export type AlterConfigsRequest = Infer<typeof alterConfigsRequest>
export type AlterConfigsResource = AlterConfigsRequest['resources'][number]
export type AlterableConfig = AlterConfigsResource['configs'][number]

export const alterConfigsResponse = message('AlterConfigsResponse', 33, '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  responses: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
    resourceType: int8('0+'),
    resourceName: string('0+'),
  }),
})
export type AlterConfigsResponse = Infer<typeof alterConfigsResponse>
export type AlterConfigsResourceResponse = AlterConfigsResponse['responses'][number]
