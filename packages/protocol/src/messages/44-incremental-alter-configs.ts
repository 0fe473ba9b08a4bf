// IncrementalAlterConfigs, v0-1: sets (0), deletes (1), appends to (2) or subtracts from (3) single configs (KIP-339).
// v1: flexible.
import { array, bool, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const incrementalAlterConfigsRequest = message('IncrementalAlterConfigsRequest', 44, '0-1', '1+', {
  resources: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    configs: array('0+', {
      name: string('0+'),
      configOperation: int8('0+'),
      value: string('0+').nullable(),
    }),
  }),
  validateOnly: bool('0+'),
})
export type IncrementalAlterConfigsRequest = Infer<typeof incrementalAlterConfigsRequest>
export type AlterConfigsResource = IncrementalAlterConfigsRequest['resources'][number]
export type AlterableConfig = AlterConfigsResource['configs'][number]

export const incrementalAlterConfigsResponse = message('IncrementalAlterConfigsResponse', 44, '0-1', '1+', {
  throttleTimeMs: int32('0+'),
  responses: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
    resourceType: int8('0+'),
    resourceName: string('0+'),
  }),
})
export type IncrementalAlterConfigsResponse = Infer<typeof incrementalAlterConfigsResponse>
export type AlterConfigsResourceResponse = IncrementalAlterConfigsResponse['responses'][number]
