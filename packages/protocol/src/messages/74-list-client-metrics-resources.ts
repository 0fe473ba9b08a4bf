// ListClientMetricsResources, v0: names of client metrics subscriptions (KIP-1000).
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const listClientMetricsResourcesRequest = message('ListClientMetricsResourcesRequest', 74, '0', '0+', {})
export type ListClientMetricsResourcesRequest = Infer<typeof listClientMetricsResourcesRequest>

export const listClientMetricsResourcesResponse = message('ListClientMetricsResourcesResponse', 74, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  clientMetricsResources: array('0+', { name: string('0+') }),
})
export type ListClientMetricsResourcesResponse = Infer<typeof listClientMetricsResourcesResponse>
export type ClientMetricsResource = ListClientMetricsResourcesResponse['clientMetricsResources'][number]
