/**
 * A listener or a connection failed. `code` is the system's (ECONNREFUSED, ECONNRESET, EADDRINUSE, ENOTFOUND…) or one of
 * ours: `TIMEOUT` (no connection in time), `FRAME_SIZE` (the peer announced a frame below 0 or above the limit),
 * `ABORTED` (the caller gave up).
 */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
