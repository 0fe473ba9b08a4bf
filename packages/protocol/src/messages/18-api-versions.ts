// ApiVersions, v0-4: what this broker speaks. Sent first, so it must be answered whatever its version.
// v4: features whose range starts at 0 (KIP-1022).
// The response header is always v0: a client that guessed the version wrong has to read it. v1: throttle time.
// v3: flexible, client software (KIP-511), features (KIP-584).
import { array, bool, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const apiVersionsRequest = message('ApiVersionsRequest', 18, '0-4', '3+', {
  clientSoftwareName: string('3+').ignorable(),
  clientSoftwareVersion: string('3+').ignorable(),
})
export type ApiVersionsRequest = Infer<typeof apiVersionsRequest>

export const apiVersionsResponse = message('ApiVersionsResponse', 18, '0-4', '3+', {
  errorCode: int16('0+'),
  apiKeys: array('0+', {
    apiKey: int16('0+'),
    minVersion: int16('0+'),
    maxVersion: int16('0+'),
  }),
  throttleTimeMs: int32('1+').ignorable(),
  supportedFeatures: array('3+', {
    name: string('3+'),
    minVersion: int16('3+'),
    maxVersion: int16('3+'),
  })
    .tag(0)
    .ignorable(),
  finalizedFeaturesEpoch: int64('3+').default(-1).tag(1).ignorable(),
  finalizedFeatures: array('3+', {
    name: string('3+'),
    maxVersionLevel: int16('3+'),
    minVersionLevel: int16('3+'),
  })
    .tag(2)
    .ignorable(),
  zkMigrationReady: bool('3+').tag(3).ignorable(),
})
export type ApiVersionsResponse = Infer<typeof apiVersionsResponse>
export type ApiVersion = ApiVersionsResponse['apiKeys'][number]
export type SupportedFeatureKey = ApiVersionsResponse['supportedFeatures'][number]
export type FinalizedFeatureKey = ApiVersionsResponse['finalizedFeatures'][number]
