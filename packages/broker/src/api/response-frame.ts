import { ApiKey } from '@millrace/protocol/api-keys'
import { codec } from '@millrace/protocol/codec'
import type { Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'

/** What of a request its response frame needs. */
export interface ResponseHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
}

/**
 * A whole response frame: int32 size, correlation id, tagged fields if the version is flexible, body. Large byte fields stay
 * slices, so the parts must not change until they are written.
 */
export function encodeResponse<Response>(
  message: Message<Response>,
  header: ResponseHeader,
  value: Response,
): Uint8Array[] {
  const writer = startResponse(header, header.apiVersion >= message.flexibleSince)
  codec(message, header.apiVersion).encode(writer, value)
  return finishResponse(writer)
}

/** The length (to be filled in by `finishResponse`) and the header; the body follows. */
export function startResponse(header: ResponseHeader, isFlexible: boolean): Writer {
  const writer = new Writer()
  writer.int32(0)
  writer.int32(header.correlationId)
  // ApiVersions answers with header v0 in every version: the client does not know yet what we speak (KIP-511).
  if (isFlexible && header.apiKey !== ApiKey.ApiVersions) writer.uvarint(0)
  return writer
}

export function finishResponse(writer: Writer): Uint8Array[] {
  const size = writer.size - 4
  const parts = writer.finishParts()
  const first = parts[0] as Uint8Array
  first[0] = size >>> 24
  first[1] = size >>> 16
  first[2] = size >>> 8
  first[3] = size
  return parts
}
