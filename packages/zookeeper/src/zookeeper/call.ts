import type { Request } from 'node-zookeeper-client/lib/jute/index.js'

/** One request on its way: its bytes, and how to read the answer's payload. Paths are the server's. */
export interface Call<T> {
  readonly request: Request
  readonly decode: (payload: unknown) => T
  /** A read may be sent again whatever became of it. */
  readonly isRead: boolean
}
