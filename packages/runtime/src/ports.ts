/**
 * All that a broker may ask of the outside world. `node/` implements these ports with Node; the simulator of
 * `@millrace/testing` will implement them in virtual time. Nothing else may touch a clock, a socket or a file.
 */

/** Two clocks: one that people read, one that only ever grows. */
export interface Clock {
  /** Milliseconds since 1970, as people and Kafka timestamps count them. May jump. */
  wallMs(): number
  /** Milliseconds since some fixed moment, fractional; never goes back. For deadlines and intervals. */
  monotonicMs(): number
}

/** A pending callback. `cancel` is idempotent and may be called after it ran. */
export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Runs once, after at least `delayMs`. Does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer
  /** Runs again and again, `intervalMs` apart. Does not keep the process alive. */
  every(intervalMs: number, run: () => void): Timer
  /** Runs at the end of this turn of the event loop, after the input that is already here: the place to group commits. */
  soon(run: () => void): void
}

export interface Random {
  /** Uniform in [0, 2^32). Not for secrets. */
  uint32(): number
  /** Unpredictable bytes, fit for ids and secrets. */
  bytes(count: number): Uint8Array
}

/** One frame as it arrived: `buffer[start..end)`, without its int32 length. */
export interface Frame {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  /**
   * Keeps the bytes beyond the call of `onFrame`; without it they are gone when `onFrame` returns. The answer may be a
   * copy (small frames share one scratch buffer), so use only what `retain` returns. Call its `release` exactly once;
   * never calling it only costs the pool a buffer.
   */
  retain(): RetainedFrame
}

export interface RetainedFrame {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  release(): void
}

/** What a connection tells its owner. Calls never nest and never come after `onClosed`. */
export interface FrameReceiver {
  /** What it throws ends this connection, and comes back in `onClosed`. */
  onFrame(frame: Frame): void
  /** The connection ended: `null` for an orderly end by either side. Called once. */
  onClosed(error: Error | null): void
  /** Everything queued was handed to the operating system, after `queuedBytes` had been above zero. */
  onDrained?(): void
}

/** A connection that carries length-prefixed frames (int32 size, then payload) in order. */
export interface FrameConnection {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  /** Bytes accepted by `send` and not yet handed to the operating system. */
  readonly queuedBytes: number
  readonly isClosed: boolean
  /**
   * Queues bytes that already contain their length prefix. Everything sent in one turn of the event loop leaves in one
   * write. The parts must stay unchanged until `onWritten`, which is called once: when the operating system took them
   * or when the connection ended.
   */
  send(parts: readonly Uint8Array[], onWritten?: () => void): void
  /** Stops reading: frames that are complete already may still be delivered in this call stack. */
  pause(): void
  resume(): void
  /** Sends what is queued, then ends the connection. */
  close(): void
  /** Ends the connection at once; `onClosed` follows. */
  destroy(error?: Error): void
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops accepting. Open connections stay. */
  close(): Promise<void>
}

export interface ListenOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly backlog?: number
  /** Frames above this size end the connection before anything is allocated for them. */
  readonly maxFrameBytes: number
  /** Where the system lets us: Node does not. */
  readonly sendBufferBytes?: number
  readonly receiveBufferBytes?: number
  /** Answers the receiver of a new connection, or null to refuse it (too many connections). */
  readonly accept: (connection: FrameConnection) => FrameReceiver | null
  /** Called when a connection breaks before it was accepted, or when accepting fails. */
  readonly onError?: (error: Error) => void
}

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly timeoutMs: number
  readonly maxFrameBytes: number
  readonly receiver: FrameReceiver
  /** Gives the attempt up: it rejects with `code` ABORTED. No effect once it resolved. */
  readonly signal?: AbortSignal
}

export interface Transport {
  /** Rejects with a `TransportError` whose `code` is the system's (EADDRINUSE, EACCES…). */
  listen(options: ListenOptions): Promise<Listener>
  /** Rejects with a `TransportError`: `code` is the system's (ECONNREFUSED, EHOSTUNREACH, ENOTFOUND), `TIMEOUT` or `ABORTED`. */
  connect(options: ConnectOptions): Promise<FrameConnection>
  /** The addresses of a host, as `FrameConnection.remoteAddress` writes them; an address is its own. Rejects with a `TransportError` (ENOTFOUND). */
  resolve(host: string): Promise<readonly string[]>
}

export interface FileStat {
  readonly size: number
  readonly modifiedMs: number
  readonly isDirectory: boolean
  readonly isFile: boolean
}

/**
 * An open file. The synchronous calls are for page-cache work on the hot path (a thread-pool hop costs 30 µs,
 * a write 1.4 µs); the asynchronous ones for whatever may wait for a disk.
 */
export interface File {
  readonly path: string
  /** Bytes really written, at most `length`: the caller treats less as a failure. */
  write(buffer: Uint8Array, offset: number, length: number, position: number): number
  /** As `write`, for what may wait: bulk work in the background. */
  writeAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>
  /** Bytes really read: less than `length` only at the end of the file. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): number
  readAsync(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>
  size(): number
  truncate(size: number): void
  /** fdatasync: the bytes and the size are on the disk when it returns. */
  datasync(): void
  datasyncAsync(): Promise<void>
  setModifiedMs(modifiedMs: number): void
  close(): void
}

export type OpenMode = 'read' | 'read-write' | 'create' | 'create-exclusive'

/** Releases the lock that `FileSystem.lock` took. It also ends with the process, however that dies. */
export interface FileLock {
  release(): void
}

/** Failures are `FileSystemError`: `code` is the system's (ENOENT, ENOSPC, EIO…), `path` names the file. */
export interface FileSystem {
  /** `create` opens for reading and writing and makes the file when it is missing; nothing truncates. */
  open(path: string, mode: OpenMode): File
  readFile(path: string): Buffer
  /** Names in the folder, sorted. */
  list(path: string): string[]
  stat(path: string): FileStat | null
  /** Makes missing parents too; no error when it exists. */
  makeDirectory(path: string): void
  rename(from: string, to: string): void
  remove(path: string): void
  /** For files that may be large: to free a gigabyte takes a tenth of a second. */
  removeAsync(path: string): Promise<void>
  removeTree(path: string): Promise<void>
  /** fsync of a folder: renames and new names in it survive a power cut. */
  syncDirectory(path: string): void
  syncDirectoryAsync(path: string): Promise<void>
  /** Writes `<path>.tmp`, syncs it, renames it over `path`, syncs the folder: all or nothing. */
  replaceFile(path: string, content: Uint8Array, mode?: number): void
  /** Takes the file for this process alone, or throws `FileLocked`. */
  lock(path: string): FileLock
  space(path: string): { readonly totalBytes: number; readonly usableBytes: number }
}

/** The world as one broker sees it. */
export interface World {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly transport: Transport
  readonly files: FileSystem
}
