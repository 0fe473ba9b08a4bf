import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from '@millrace/protocol/messages/18-api-versions'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode, errorName } from '@millrace/protocol/errors'
import { Reader } from '@millrace/protocol/reader'
import type { Message, VersionRange } from '@millrace/protocol/schema'
import { clientSoftware } from './client-software.ts'

/** API key -> versions that a broker speaks. */
export type ApiVersionTable = ReadonlyMap<number, VersionRange>

/** The broker refused to say what it speaks. */
export class NegotiationFailed extends Error {
  override readonly name = 'NegotiationFailed'
  readonly errorCode: number

  constructor(errorCode: number) {
    super(`ApiVersions was answered ${errorName(errorCode)}`)
    this.errorCode = errorCode
  }
}

/** Sends one ApiVersions request of this version and gives its answer as `decodeApiVersions` reads it. */
export type AskVersions = (version: number, request: ApiVersionsRequest) => Promise<ApiVersionsResponse>

const software: ApiVersionsRequest = {
  clientSoftwareName: clientSoftware.name,
  clientSoftwareVersion: clientSoftware.version,
}

/**
 * Asks with our highest version first. A broker that does not know it answers UNSUPPORTED_VERSION in the layout of v0, naming
 * the versions of ApiVersions that it does know (KIP-511), or nothing if it is older than 2.4; then it is asked again.
 */
export async function negotiate(ask: AskVersions): Promise<ApiVersionTable> {
  const highest = apiVersionsRequest.versions[1]
  let answer = await ask(highest, software)
  if (answer.errorCode === ErrorCode.UNSUPPORTED_VERSION) {
    const known = answer.apiKeys.find(({ apiKey }) => apiKey === apiVersionsRequest.apiKey)
    answer = await ask(Math.min(highest, known?.maxVersion ?? 0), software)
  }
  if (answer.errorCode !== ErrorCode.NONE) throw new NegotiationFailed(answer.errorCode)
  return new Map(
    answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion] as const]),
  )
}

/** The body of an answer to ApiVersions: in the version asked for, or in v0 if it says that this version is not known. */
export function decodeApiVersions(body: Reader, version: number): ApiVersionsResponse {
  const errorCode = new Reader(body.buffer, body.position, body.end).int16()
  return codec(apiVersionsResponse, errorCode === ErrorCode.UNSUPPORTED_VERSION ? 0 : version).decode(body)
}

/** The highest version in both ranges, or null. */
export function highestCommon(ours: VersionRange, theirs: VersionRange): number | null {
  const highest = Math.min(ours[1], theirs[1])
  return highest >= Math.max(ours[0], theirs[0]) ? highest : null
}

/** For messages to people: `v3-9`, or `no version`. */
export function showVersions(range: VersionRange | undefined): string {
  if (range === undefined) return 'no version'
  return range[0] === range[1] ? `v${range[0]}` : `v${range[0]}-${range[1]}`
}

/** Whether a value of this message may hold views of the bytes it was decoded from. */
export function holdsBytes(message: Message<never>): boolean {
  const known = bytesHolders.get(message)
  if (known !== undefined) return known
  const found = fieldHoldsBytes(message.body)
  bytesHolders.set(message, found)
  return found
}

const bytesHolders = new WeakMap<Message<never>, boolean>()

function fieldHoldsBytes(field: Message<never>['body']): boolean {
  if (field.kind === 'bytes') return true
  if (field.item !== undefined && fieldHoldsBytes(field.item as typeof field)) return true
  return Object.values(field.fields ?? {}).some(inner => fieldHoldsBytes(inner as typeof field))
}
