import { ApiKey } from '@millrace/protocol/api-keys'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { framed } from '@millrace/protocol/frame'
import { decodeRequestHeader, encodeResponseHeader, type RequestHeader } from '@millrace/protocol/header'
import { apiVersionsResponse } from '@millrace/protocol/messages/18-api-versions'
import { Reader } from '@millrace/protocol/reader'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import type { FrameConnection, Transport } from '@millrace/runtime/ports'

type Versions = readonly (readonly [apiKey: number, min: number, max: number])[]

/** A broker as small as can be: answers ApiVersions and hands everything else to the test. */
export class TinyBroker {
  readonly headers: RequestHeader[] = []
  readonly bodies: Buffer[] = []
  connection: FrameConnection | null = null
  closed: Error | null | undefined = undefined
  onRequest: (header: RequestHeader, body: Reader) => void = () => {}
  versions: Versions = [
    [ApiKey.ApiVersions, 0, 4],
    [ApiKey.Metadata, 0, 9],
    [ApiKey.Fetch, 0, 11],
    [ApiKey.Heartbeat, 0, 4],
    [ApiKey.Produce, 0, 9],
  ]
  port = 0

  async listen(transport: Transport, port = 0): Promise<void> {
    const listener = await transport.listen({
      host: '127.0.0.1',
      port,
      maxFrameBytes: 10_000_000,
      accept: connection => {
        this.connection = connection
        return {
          onFrame: frame => {
            const body = new Reader(Buffer.from(frame.buffer.subarray(frame.start, frame.end)))
            const header = decodeRequestHeader(body)
            this.headers.push(header)
            this.bodies.push(body.buffer.subarray(body.position))
            if (header.apiKey === ApiKey.ApiVersions) this.#answerVersions(header)
            else this.onRequest(header, body)
          },
          onClosed: error => (this.closed = error),
        }
      },
    })
    this.port = listener.port
    this.close = async () => {
      this.connection?.destroy()
      await listener.close()
    }
  }

  /** Stops listening and breaks the connection. */
  close: () => Promise<void> = () => Promise.resolve()

  answer<R>(header: RequestHeader, response: Message<R>, value: R, version = header.apiVersion): void {
    const writer = new Writer()
    encodeResponseHeader(writer, header, header.correlationId)
    codec(response, version).encode(writer, value)
    this.connection!.send(framed(writer.finishParts()))
  }

  #answerVersions(header: RequestHeader): void {
    const apiKeys = this.versions.map(([apiKey, minVersion, maxVersion]) => ({ apiKey, minVersion, maxVersion }))
    const known = apiKeys.find(({ apiKey }) => apiKey === ApiKey.ApiVersions)!
    const answer = emptyOf(apiVersionsResponse)
    if (header.apiVersion > known.maxVersion) {
      const named = this.namesItself ? [known] : []
      this.answer(
        header,
        apiVersionsResponse,
        { ...answer, errorCode: ErrorCode.UNSUPPORTED_VERSION, apiKeys: named },
        0,
      )
    } else {
      this.answer(header, apiVersionsResponse, { ...answer, apiKeys })
    }
  }

  /** Brokers before 2.4 do not say which versions of ApiVersions they know. */
  namesItself = true
}
