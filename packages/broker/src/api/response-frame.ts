import { ApiKey } from '@millrace/protocol/api-keys'
import { codec } from '@millrace/protocol/codec'
import { beginFrame, finishFrame } from '@millrace/protocol/frame'
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
  return finishFrame(writer)
}

/** The length (to be filled in by `finishFrame`) and the header; the body follows. */
function startResponse(header: ResponseHeader, isFlexible: boolean): Writer {
  const writer = new Writer()
  beginFrame(writer)
  writer.int32(header.correlationId)
  // ApiVersions answers with header v0 in every version: the client does not know yet what we speak (KIP-511).
  if (isFlexible && header.apiKey !== ApiKey.ApiVersions) writer.uvarint(0)
  return writer
}
