// GetTelemetrySubscriptions, v0: which metrics a client should send (KIP-714).
import { array, bool, int16, int32, int8, message, string, uuid, type Infer } from '../schema.ts'

export const getTelemetrySubscriptionsRequest = message('GetTelemetrySubscriptionsRequest', 71, '0', '0+', {
  clientInstanceId: uuid('0+'),
})
export type GetTelemetrySubscriptionsRequest = Infer<typeof getTelemetrySubscriptionsRequest>

export const getTelemetrySubscriptionsResponse = message('GetTelemetrySubscriptionsResponse', 71, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  clientInstanceId: uuid('0+'),
  subscriptionId: int32('0+'),
  acceptedCompressionTypes: array('0+', int8()),
  pushIntervalMs: int32('0+'),
  telemetryMaxBytes: int32('0+'),
  deltaTemporality: bool('0+'),
  requestedMetrics: array('0+', string()),
})
export type GetTelemetrySubscriptionsResponse = Infer<typeof getTelemetrySubscriptionsResponse>
