/** What Millrace uses of node-zookeeper-client 1.1.3: its connection manager and its records, not its client. */

declare module 'node-zookeeper-client/lib/jute/index.js' {
  /** A record as its specification names it; int64 fields are buffers of eight bytes. */
  export interface Record {
    serialize(buffer: Buffer, offset: number): number
    deserialize(buffer: Buffer, offset: number): number
    byteLength(): number
  }
  export interface Stat extends Record {
    czxid: Buffer
    mzxid: Buffer
    pzxid: Buffer
    ctime: Buffer
    mtime: Buffer
    version: number
    cversion: number
    aversion: number
    ephemeralOwner: Buffer
    dataLength: number
    numChildren: number
  }
  export interface AclRecord extends Record {
    perms: number
    id: IdRecord
  }
  export interface IdRecord extends Record {
    scheme: string
    id: string
  }
  export interface RequestHeader extends Record {
    xid: number
    type: number
  }
  export interface WatcherEvent extends Record {
    type: number
    state: number
    path: string
  }
  export interface SetWatches extends Record {
    relativeZxid: Buffer
    dataWatches: string[]
    existWatches: string[]
    childWatches: string[]
  }
  export interface Request {
    readonly header: Pick<RequestHeader, 'xid' | 'type'> | null
    readonly payload: Payload | null
    toBuffer(): Buffer
  }
  export interface Payload {
    byteLength(): number
  }
  export interface Response<T = unknown> {
    readonly payload: T
  }
  const jute: {
    readonly OP_CODES: Readonly<{
      CREATE: number
      DELETE: number
      EXISTS: number
      GET_DATA: number
      SET_DATA: number
      GET_ACL: number
      SET_ACL: number
      GET_CHILDREN2: number
      CHECK: number
      MULTI: number
      PING: number
      AUTH: number
      SET_WATCHES: number
      CLOSE_SESSION: number
      ERROR: number
    }>
    readonly XID_NOTIFICATION: number
    readonly XID_PING: number
    readonly XID_AUTHENTICATION: number
    readonly Request: new (header: RequestHeader, payload: Payload | null) => Request
    readonly data: {
      readonly ACL: new (permissions: number, id: IdRecord) => AclRecord
      readonly Id: new (scheme: string, id: string) => IdRecord
    }
    readonly protocol: {
      readonly RequestHeader: new (xid: number, type: number) => RequestHeader
      readonly CreateRequest: new (path: string, data: Buffer | null, acl: AclRecord[], flags: number) => Record
      readonly DeleteRequest: new (path: string, version: number) => Record
      readonly ExistsRequest: new (path: string, watch: boolean) => Record
      readonly SetDataRequest: new (path: string, data: Buffer, version: number) => Record
      readonly GetACLRequest: new (path: string) => Record
      readonly SetACLRequest: new (path: string, acl: AclRecord[], version: number) => Record
      readonly GetChildren2Request: new (path: string, watch: boolean) => Record
      readonly WatcherEvent: new () => WatcherEvent
      readonly SetWatches: new () => SetWatches
    }
  }
  export default jute
}

declare module 'node-zookeeper-client/lib/ConnectionManager.js' {
  import type { Socket } from 'node:net'
  import type { Request, Response } from 'node-zookeeper-client/lib/jute/index.js'

  export interface Packet {
    readonly request: Request
    readonly callback?: Callback
  }
  /** A code of ZooKeeper; or a reason, which the guard gives and the library only carries. */
  export type Failure =
    { readonly code: number } | { readonly reason: 'not-sent' | 'connection-lost' | 'session-ended' }
  export type Callback = (error: Failure | null, response?: Response) => void

  export default class ConnectionManager {
    static readonly STATES: Readonly<{
      DISCONNECTED: number
      CONNECTING: number
      CONNECTED: number
      CLOSING: number
      CLOSED: number
      SESSION_EXPIRED: number
      AUTHENTICATION_FAILED: number
    }>
    constructor(
      connectionString: string,
      options: { sessionTimeout: number; spinDelay: number; sessionId?: Buffer; sessionPassword?: Buffer },
      onState: (state: number) => void,
    )
    state: number
    socket: Socket | undefined
    servers: readonly { readonly host: string; readonly port: number }[]
    xid: number
    zxid: Buffer
    sessionId: Buffer
    sessionPassword: Buffer
    sessionTimeout: number
    connectTimeout: number
    connectTimeoutHandler: NodeJS.Timeout | null
    readonly credentials: { scheme: string; auth: Buffer }[]
    readonly packetQueue: { readonly queue: Packet[] }
    readonly pendingQueue: Packet[]
    connect(): void
    close(): void
    queue(request: Request, callback?: Callback): void
    setState(state: number): void
    findNextServer(callback: (server: { readonly host: string; readonly port: number }) => void): void
    cleanupPendingQueue(errorCode: number): void
    onSocketConnected(): void
    onSocketData(bytes: Buffer): void
    onSocketClosed(hasError: boolean): void
    onSocketTimeout(): void
    onPacketQueueReadable(): void
  }
}
