// UpdateFeatures, v0-1: changes finalized features (KIP-584).
// v1: upgrade type and validateOnly (KIP-778).
import { array, bool, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const updateFeaturesRequest = message('UpdateFeaturesRequest', 57, '0-1', '0+', {
  timeoutMs: int32('0+').default(60000),
  featureUpdates: array('0+', {
    feature: string('0+'),
    maxVersionLevel: int16('0+'),
    allowDowngrade: bool('0'),
    upgradeType: int8('1+').default(1),
  }),
  validateOnly: bool('1+'),
})
export type UpdateFeaturesRequest = Infer<typeof updateFeaturesRequest>
export type FeatureUpdateKey = UpdateFeaturesRequest['featureUpdates'][number]

export const updateFeaturesResponse = message('UpdateFeaturesResponse', 57, '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
  results: array('0+', {
    feature: string('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
  }),
})
export type UpdateFeaturesResponse = Infer<typeof updateFeaturesResponse>
export type UpdatableFeatureResult = UpdateFeaturesResponse['results'][number]
