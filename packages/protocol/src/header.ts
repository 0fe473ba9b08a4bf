import { requestHeaderVersion, responseHeaderVersion } from './api-keys.ts'
import { codec } from './codec.ts'
import { requestHeader, responseHeader } from './internal/header-rows.ts'
import { MalformedMessage } from './malformed-message.ts'
import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

/** What precedes the body of every request. */
export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  /** Null: not said. Empty for ControlledShutdown v0, whose header has no place for it. */
  readonly clientId: string | null
}

/**
 * Reads the header and leaves `reader` at the body. The version may be one that the API does not have: only ApiVersions answers such a
 * request. Throws MalformedMessage for an API key that a broker with ZooKeeper does not speak, because its header cannot be told.
 */
export function decodeRequestHeader(reader: Reader): RequestHeader {
  const { position } = reader
  // Key and version come first in every header version, and say which one this is.
  const apiKey = readField(reader, 'requestApiKey')
  const apiVersion = readField(reader, 'requestApiVersion')
  const headerVersion = requestHeaderVersion(apiKey, apiVersion)
  if (headerVersion === undefined) {
    throw new MalformedMessage(`unknown API key ${apiKey}`, {
      message: 'RequestHeader',
      field: 'requestApiKey',
      offset: position,
    })
  }
  reader.position = position
  const { correlationId, clientId } = codec(requestHeader, headerVersion).decode(reader)
  return { apiKey, apiVersion, correlationId, clientId }
}

/** Throws RangeError for an API key that a broker with ZooKeeper does not speak. */
export function encodeRequestHeader(writer: Writer, header: RequestHeader): void {
  const { apiKey, apiVersion, correlationId, clientId } = header
  const row = { requestApiKey: apiKey, requestApiVersion: apiVersion, correlationId, clientId }
  codec(requestHeader, known(requestHeaderVersion(apiKey, apiVersion), apiKey)).encode(writer, row)
}

/** Of the request that a response answers: what its header depends on. */
export interface AnsweredRequest {
  readonly apiKey: number
  readonly apiVersion: number
}

/** Correlation id of a response; leaves `reader` at the body. Throws MalformedMessage. */
export function decodeResponseHeader(reader: Reader, { apiKey, apiVersion }: AnsweredRequest): number {
  return codec(responseHeader, known(responseHeaderVersion(apiKey, apiVersion), apiKey)).decode(reader).correlationId
}

export function encodeResponseHeader(
  writer: Writer,
  { apiKey, apiVersion }: AnsweredRequest,
  correlationId: number,
): void {
  codec(responseHeader, known(responseHeaderVersion(apiKey, apiVersion), apiKey)).encode(writer, { correlationId })
}

function known(headerVersion: number | undefined, apiKey: number): number {
  if (headerVersion === undefined) throw new RangeError(`API key ${apiKey} is not spoken by a broker with ZooKeeper`)
  return headerVersion
}

function readField(reader: Reader, field: string): number {
  try {
    return reader.int16()
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    throw new MalformedMessage(error.reason, { message: 'RequestHeader', field, offset: error.offset })
  }
}
