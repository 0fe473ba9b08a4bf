export { AnyVersion, CoordinationError, CreateMode, isCoordinationError, openAcl, WatchType } from './coordination.ts'
export type {
  Acl,
  Coordination,
  CoordinationErrorCode,
  CreateOptions,
  Credential,
  Operation,
  OperationResult,
  Session,
  SessionEvent,
  Stat,
  Watcher,
  WatchEvent,
} from './coordination.ts'
export { EmbeddedTree } from './embedded/embedded-tree.ts'
export type { EmbeddedClient } from './embedded/embedded-client.ts'
export type { EmbeddedClientOptions, EmbeddedTreeOptions } from './embedded/embedded-tree.ts'
export { ensembleCoordination } from './zookeeper/ensemble-coordination.ts'
export type { EnsembleOptions } from './zookeeper/ensemble-coordination.ts'
export type { SessionKey } from './zookeeper/session-key.ts'
