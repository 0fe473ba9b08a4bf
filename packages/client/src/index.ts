export { NegotiationFailed } from './connection/api-versions.ts'
export type { ApiVersionTable } from './connection/api-versions.ts'
export { Connection } from './connection/connection.ts'
export type { BorrowedAnswer, ConnectionOptions, ConnectionPorts, RequestOptions } from './connection/connection.ts'
export { ReconnectingConnection } from './connection/reconnecting-connection.ts'
export type { ReconnectingOptions, ReconnectingPorts } from './connection/reconnecting-connection.ts'
export {
  ConnectionLost,
  ConnectionOverloaded,
  RequestFailure,
  RequestTimedOut,
  UnexpectedAnswer,
  UnsupportedVersion,
} from './connection/request-failure.ts'
export type { Outcome } from './connection/request-failure.ts'
