import type { Connection } from '@millrace/client/connection/connection'
import type { OpenConnection } from '@millrace/client/connection/connector'
import { ErrorCode } from '@millrace/protocol/errors'
import type { Message, VersionRange } from '@millrace/protocol/schema'
import type { Logger } from '@millrace/runtime/logger'
import type { MetadataCache } from '../metadata/metadata-cache.ts'

export interface ControllerClientOptions {
  readonly metadata: Pick<MetadataCache, 'controllerId' | 'endpoint' | 'onChange'>
  /** `control.plane.listener.name`, else the listener between brokers. */
  readonly listener: string
  readonly brokerId: number
  readonly open: OpenConnection
  readonly logger: Logger
  /** `request.timeout.ms`. */
  readonly requestTimeoutMs: number
}

/** The controller was not found, did not answer in time, or the client was closed. */
export class ControllerUnreachable extends Error {
  override readonly name = 'ControllerUnreachable'
}

/**
 * A broker's way to the controller, which is told by UpdateMetadata: one connection, one request at a time in order. Wherever
 * the controller goes, the next request follows; callers decide whether to try again. A request that is under way when another
 * controller is elected is given up: the old one may be stopped, and would be waited for until `requestTimeoutMs`, while leaders wait
 * to shrink their in-sync sets.
 */
export class ControllerClient {
  readonly #options: ControllerClientOptions
  #connection: { readonly controllerId: number; readonly connection: Connection } | null = null
  #last: Promise<unknown> = Promise.resolve()
  #isClosed = false
  #waiting = 0
  /** Of the request under way: at which controller it is, and how to give it up. */
  #underWay: { readonly controllerId: number; readonly giveUp: AbortController } | null = null
  readonly #forget: () => void

  constructor(options: ControllerClientOptions) {
    this.#options = options
    this.#forget = options.metadata.onChange(() => {
      const underWay = this.#underWay
      if (underWay !== null && underWay.controllerId !== options.metadata.controllerId) underWay.giveUp.abort()
    })
  }

  /**
   * Sends once the earlier requests are answered. An answer that says NOT_CONTROLLER is given back as it is, and the
   * connection is dropped. Throws ControllerUnreachable.
   */
  request<Request, Response extends { readonly errorCode: number }>(
    request: Message<Request>,
    response: Message<Response>,
    value: Request,
  ): Promise<Response> {
    return this.requestAs(request, response, () => value, request.versions)
  }

  /** As `request`, for a value that depends on the version: the highest within `versions` that the controller speaks, too. */
  requestAs<Request, Response extends { readonly errorCode: number }>(
    request: Message<Request>,
    response: Message<Response>,
    value: (apiVersion: number) => Request,
    versions: VersionRange,
  ): Promise<Response> {
    if (this.#waiting >= mostWaiting) {
      return Promise.reject(new ControllerUnreachable(`${this.#waiting} requests wait for the controller already`))
    }
    this.#waiting++
    const answer = this.#last.then(() => this.#send(request, response, value, versions)).finally(() => this.#waiting--)
    this.#last = answer.catch(() => {})
    return answer
  }

  /** What waits fails. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#forget()
    this.#underWay?.giveUp.abort()
    await this.#drop()
    await this.#last
  }

  async #send<Request, Response extends { readonly errorCode: number }>(
    request: Message<Request>,
    response: Message<Response>,
    value: (apiVersion: number) => Request,
    versions: VersionRange,
  ): Promise<Response> {
    const giveUp = new AbortController()
    this.#underWay = { controllerId: this.#options.metadata.controllerId, giveUp }
    // Ends what is under way on the connection, too.
    giveUp.signal.addEventListener('abort', () => void this.#drop(), { once: true })
    try {
      const connection = await this.#connected(giveUp.signal)
      const version = connection.versionOf(request, versions)
      const answer = await connection.request(request, response, value(version), { version })
      if (answer.errorCode === ErrorCode.NOT_CONTROLLER) await this.#drop()
      return answer
    } catch (error) {
      await this.#drop()
      if (error instanceof ControllerUnreachable) throw error
      throw new ControllerUnreachable(`no answer from the controller to ${request.name}`, { cause: error })
    } finally {
      this.#underWay = null
    }
  }

  async #connected(signal: AbortSignal): Promise<Connection> {
    const { metadata, listener, brokerId, open, requestTimeoutMs } = this.#options
    if (this.#isClosed) throw new ControllerUnreachable('closed')
    const { controllerId } = metadata
    const known = this.#connection
    if (known !== null && known.controllerId === controllerId && !known.connection.isClosed) return known.connection
    await this.#drop()
    const endpoint = metadata.endpoint(controllerId, listener)
    if (endpoint === undefined) throw new ControllerUnreachable('the controller is not known')
    const options = { host: endpoint.host, port: endpoint.port, clientId: String(brokerId), requestTimeoutMs }
    const connection = await open({ ...options, versions: 'negotiate', inFlightMax: 1 }, signal)
    if (this.#isClosed || signal.aborted) {
      await connection.close()
      throw new ControllerUnreachable(this.#isClosed ? 'closed' : 'another controller was elected')
    }
    this.#connection = { controllerId, connection }
    return connection
  }

  async #drop(): Promise<void> {
    const known = this.#connection
    this.#connection = null
    await known?.connection.close()
  }
}

const mostWaiting = 1_000
