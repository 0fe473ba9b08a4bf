export { Backoff } from './backoff.ts'
export type { BackoffOptions } from './backoff.ts'
export { BufferPool } from './buffer-pool.ts'
export { ByteBudget } from './byte-budget.ts'
export { Deadlines } from './deadline.ts'
export type { Deadline } from './deadline.ts'
export { FileLocked, FileSystemError } from './file-system-error.ts'
export { assert, InvariantViolation } from './invariant.ts'
export { silentLogger } from './logger.ts'
export type { LogFields, Logger } from './logger.ts'
export { nodeWorld } from './node/world.ts'
export type { NodeWorldOptions } from './node/world.ts'
export type {
  Clock,
  ConnectOptions,
  File,
  FileLock,
  FileStat,
  FileSystem,
  Frame,
  FrameConnection,
  FrameReceiver,
  Listener,
  ListenOptions,
  OpenMode,
  Random,
  RetainedFrame,
  Timer,
  Timers,
  Transport,
  World,
} from './ports.ts'
export { QueueClosed, QueueFull, SerialQueue } from './serial-queue.ts'
export { TransportError } from './transport-error.ts'
