// ApiVersions: v0-4
//
// Behavior
// - Which requests this broker speaks, from the very table that dispatches them: the two cannot disagree.
// - A version beyond ours is answered in v0 with UNSUPPORTED_VERSION and our range of this API, so that any client can retry.
// Version notes
// - Response header v0 in every version. v3: client software, flexible, features (KIP-511, KIP-584).
import { ApiKey } from '@millrace/protocol/api-keys'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsResponse,
} from '@millrace/protocol/messages/18-api-versions'
import type { VersionRange } from '@millrace/protocol/schema'
import { defineHandler, type Answer } from './handler.ts'
import { encodeResponse } from './response-frame.ts'
import type { DataServices } from './services.ts'

const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/

export default defineHandler(
  apiVersionsRequest,
  apiVersionsResponse,
  [0, 4],
  (request, context, services: Pick<DataServices, 'advertisedApis' | 'finalizedFeaturesEpoch'>) => {
    const { clientSoftwareName, clientSoftwareVersion } = request
    const saysWhoItIs = softwareName.test(clientSoftwareName) && softwareName.test(clientSoftwareVersion)
    if (context.apiVersion >= 3 && !saysWhoItIs) return answer(ErrorCode.INVALID_REQUEST)
    return {
      ...answer(ErrorCode.NONE),
      apiKeys: services.advertisedApis.map(api => ({ ...api })),
      finalizedFeaturesEpoch: services.finalizedFeaturesEpoch(),
    }
  },
  { retainFrom: Infinity },
)

/** To a request of a version that we do not know: its body is not read. */
export function tooNewApiVersions(request: { readonly correlationId: number }, versions: VersionRange): Answer {
  const [minVersion, maxVersion] = versions
  const { correlationId } = request
  const value = {
    ...answer(ErrorCode.UNSUPPORTED_VERSION),
    apiKeys: [{ apiKey: ApiKey.ApiVersions, minVersion, maxVersion }],
  }
  const header = { apiKey: ApiKey.ApiVersions, apiVersion: 0, correlationId }
  return { kind: 'parts', parts: encodeResponse(apiVersionsResponse, header, value) }
}

function answer(errorCode: ErrorCode): ApiVersionsResponse {
  return {
    errorCode,
    apiKeys: [],
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  }
}
