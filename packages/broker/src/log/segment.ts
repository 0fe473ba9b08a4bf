import { FileSuffix, fileName } from '@millrace/protocol/storage/file-names'
import { TIME_ENTRY_SIZE } from '@millrace/protocol/storage/time-index'
import type { TimeIndexEntry } from '@millrace/protocol/storage/time-index'
import { assert } from '@millrace/runtime/invariant'
import type { AppendedBytes } from '../core/log/appended-bytes.ts'
import { HeaderScan } from './header-scan.ts'
import type { LogContext } from './log-context.ts'
import { OffsetIndex, floorInOffsetIndexFile, floorPositionInOffsetIndexFile } from './offset-index.ts'
import type { SharedFile } from './open-files.ts'
import { SegmentTransactions } from './segment-transactions.ts'
import { TimeIndex, floorInTimeIndexFile } from './time-index.ts'
import { readWhole, writeFully } from './write-fully.ts'

/** Bytes that a lookup reads at once: an index interval and a little more. */
const windowBytes = 8 * 1024

/** The offset and time index of the segment that is being written. */
interface ActiveIndexes {
  readonly offsets: OffsetIndex
  readonly times: TimeIndex
}

/** A `.log` file with its indexes. The last segment of a log is active: its indexes live in memory; those of the others in their files. */
export class Segment {
  readonly baseOffset: number
  /** Time taken off segment.ms, chosen once. */
  readonly jitterMs: number
  readonly log: SharedFile
  readonly transactions: SegmentTransactions
  createdMs: number
  /** Bytes, those that wait for the end of the turn included. */
  size: number
  /** Bytes in the file: what readers may touch. */
  writtenSize: number
  /** `.log` bytes that no fdatasync has covered yet. */
  isDirty = false
  /** Discarded: the files under its names, if there are any, are not its own. */
  isGone = false
  readonly #context: LogContext
  readonly #folder: { path: string }
  #active: ActiveIndexes | null = null
  #bytesSinceIndexEntry = 0
  /** Undefined: not read from the file yet. */
  #firstTimestamp: number | undefined
  #largest: TimeIndexEntry | undefined

  /** For a segment whose file exists with `size` good bytes. `folder.path` follows the log when it is renamed. */
  constructor(
    context: LogContext,
    options: { folder: { path: string }; baseOffset: number; size: number; createdMs: number; jitterMs: number },
  ) {
    this.#context = context
    this.#folder = options.folder
    this.baseOffset = options.baseOffset
    this.size = options.size
    this.writtenSize = options.size
    this.createdMs = options.createdMs
    this.jitterMs = options.jitterMs
    this.log = context.openFiles.share(() => this.path(FileSuffix.log), 'read-write')
    this.transactions = new SegmentTransactions(context.world.files, () => this.path(FileSuffix.transactionIndex))
  }

  /** A new, empty, active segment with its files. `preallocateBytes` reserves the size of the file, for topics that ask for it. */
  static create(
    context: LogContext,
    options: {
      folder: { path: string }
      baseOffset: number
      nowMs: number
      jitterMs: number
      preallocateBytes: number
    },
  ): Segment {
    const segment = new Segment(context, { ...options, size: 0, createdMs: options.nowMs })
    const file = context.world.files.open(segment.path(FileSuffix.log), 'create')
    try {
      file.truncate(0)
      if (options.preallocateBytes > 0) file.truncate(options.preallocateBytes)
    } finally {
      file.close()
    }
    segment.activate(Buffer.alloc(0), Buffer.alloc(0))
    segment.saveIndexes()
    return segment
  }

  path(suffix: string): string {
    return `${this.#folder.path}/${fileName(this.baseOffset, suffix)}`
  }

  get isActive(): boolean {
    return this.#active !== null
  }

  /** The number of index entries is at its bound, so the next append needs a new segment. */
  isIndexFull(indexBytes: number): boolean {
    const active = this.active()
    return active.offsets.isFull(indexBytes) || active.times.isFull(indexBytes)
  }

  /** Makes this the segment that is written to; the indexes continue from what their files held. */
  activate(offsetIndex: Buffer, timeIndex: Buffer): void {
    this.#active = {
      offsets: new OffsetIndex(this.baseOffset, offsetIndex),
      times: new TimeIndex(this.baseOffset, timeIndex),
    }
    this.#bytesSinceIndexEntry = 0
    if (this.#largest === undefined && this.size === 0) this.#largest = { timestamp: -1, offset: this.baseOffset }
    if (this.size === 0) this.#firstTimestamp = -1
  }

  /** As `activate`, from the files. */
  activateFromFiles(): void {
    const { files } = this.#context.world
    this.activate(
      readWhole(files, this.path(FileSuffix.offsetIndex)),
      readWhole(files, this.path(FileSuffix.timeIndex)),
    )
  }

  /** Notes an append of bytes that are, or will be, written at `size`; see reference 4.2 for when an entry is made. */
  onAppended(appended: AppendedBytes, indexIntervalBytes: number): void {
    const { offsets, times } = this.active()
    const largest = this.largestNoted()
    if (this.size === 0) this.#firstTimestamp = appended.maxTimestamp
    if (appended.maxTimestamp > largest.timestamp) {
      this.#largest = { timestamp: appended.maxTimestamp, offset: appended.offsetOfMaxTimestamp }
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      offsets.append(appended.lastOffset, this.size)
      const { timestamp, offset } = this.#largest!
      times.maybeAppend(timestamp, offset)
      this.#bytesSinceIndexEntry = 0
    }
    this.#bytesSinceIndexEntry += appended.size
    this.size += appended.size
  }

  /** Closes the indexes: their files become final, their memory is given back. Reads go on. */
  deactivate(): void {
    if (this.#active === null) return
    this.saveIndexes(true)
    this.#active = null
  }

  /** Writes the index files as they are now; `isFinal` adds the largest timestamp, which a closed segment's index ends with. */
  saveIndexes(isFinal = false): void {
    const { offsets, times } = this.active()
    if (isFinal) {
      const largest = this.largestNoted()
      times.maybeAppend(largest.timestamp, largest.offset)
    }
    this.writeIndex(FileSuffix.offsetIndex, offsets.bytes())
    this.writeIndex(FileSuffix.timeIndex, times.bytes())
  }

  /** Replaces both index files and, for an active segment, what is in memory. */
  replaceIndexes(offsets: OffsetIndex, times: TimeIndex, largest: TimeIndexEntry): void {
    this.#largest = largest
    this.#firstTimestamp = undefined
    this.writeIndex(FileSuffix.offsetIndex, offsets.bytes())
    this.writeIndex(FileSuffix.timeIndex, times.bytes())
    if (this.#active !== null) this.activate(Buffer.from(offsets.bytes()), Buffer.from(times.bytes()))
  }

  /** fdatasync of all that belongs to the segment. */
  async flushAll(): Promise<void> {
    await this.log.pinned(file => file.datasyncAsync())
    for (const suffix of [FileSuffix.offsetIndex, FileSuffix.timeIndex, FileSuffix.transactionIndex]) {
      if (this.isGone) return
      const path = this.path(suffix)
      if (this.#context.world.files.stat(path) === null) continue
      const file = this.#context.world.files.open(path, 'read-write')
      try {
        await file.datasyncAsync()
      } finally {
        file.close()
      }
    }
    this.isDirty = false
  }

  /** Position of the first batch that ends at or after `offset`, at or behind `from`; null when there is none. */
  positionOf(offset: number, from = this.scanStart(offset)): number | null {
    const { bufferPool } = this.#context
    const window = bufferPool.take(windowBytes)
    try {
      const scan = this.scan(from, window)
      while (scan.next()) if (scan.lastOffset >= offset) return scan.position
      return null
    } finally {
      bufferPool.give(window)
    }
  }

  /** A walk over the headers of the written bytes, up to a batch that begins at `end`; `window` is the caller's. */
  scan(position: number, window: Buffer, end = this.writtenSize): HeaderScan {
    return new HeaderScan(this.log.use(), { position, end, window })
  }

  /** Where a forward scan for `offset` may begin. */
  scanStart(offset: number): number {
    if (this.#active !== null) return this.#active.offsets.floor(offset)
    return this.withIndexFile(FileSuffix.offsetIndex, 0, (file, size, scratch) =>
      floorInOffsetIndexFile(file, { size, baseOffset: this.baseOffset, offset, scratch }),
    )
  }

  /** Where some batch at or before `position` begins, as near as the index knows. */
  batchStartBefore(position: number): number {
    if (this.#active !== null) return this.#active.offsets.floorPosition(position)
    return this.withIndexFile(FileSuffix.offsetIndex, 0, (file, size, scratch) =>
      floorPositionInOffsetIndexFile(file, { size, position, scratch }),
    )
  }

  /** An offset before which no record is as young as `timestamp`. */
  offsetBefore(timestamp: number): number {
    if (this.#active !== null) return this.#active.times.floor(timestamp).offset
    const floor = this.withIndexFile(FileSuffix.timeIndex, null, (file, size, scratch) =>
      floorInTimeIndexFile(file, { size, baseOffset: this.baseOffset, timestamp, scratch }),
    )
    return floor?.offset ?? this.baseOffset
  }

  /** Offset after the last batch, the base offset when there is none. Reads the file from its last index entry on. */
  readNextOffset(): number {
    const { bufferPool } = this.#context
    const window = bufferPool.take(windowBytes)
    try {
      let nextOffset = this.baseOffset
      const scan = this.scan(this.scanStart(Number.MAX_SAFE_INTEGER), window)
      while (scan.next()) nextOffset = scan.lastOffset + 1
      return nextOffset
    } finally {
      bufferPool.give(window)
    }
  }

  /** Max timestamp of the first batch: the segment's age is counted from it; -1 when there is none. */
  firstTimestamp(): number {
    if (this.#firstTimestamp !== undefined) return this.#firstTimestamp
    if (this.writtenSize === 0) return -1
    const { bufferPool } = this.#context
    const window = bufferPool.take(64)
    try {
      const scan = this.scan(0, window)
      this.#firstTimestamp = scan.next() ? scan.maxTimestamp : -1
      return this.#firstTimestamp
    } finally {
      bufferPool.give(window)
    }
  }

  /** The largest batch timestamp and the last offset of that batch; timestamp -1 when no batch has one. */
  largestNoted(): TimeIndexEntry {
    return (this.#largest ??= this.readLargest())
  }

  /** For retention: a segment without timestamps is as old as its last change. */
  largestTimestamp(): number {
    const { timestamp } = this.largestNoted()
    if (timestamp >= 0) return timestamp
    return this.#context.world.files.stat(this.path(FileSuffix.log))?.modifiedMs ?? 0
  }

  /** Cuts everything from the first batch that ends at or after `offset`; true when bytes went. The segment is active afterwards. */
  truncateTo(offset: number, nowMs: number): boolean {
    assert(this.size === this.writtenSize, 'nothing is pending when a log is cut')
    if (this.#active === null) this.activateFromFiles()
    const position = this.positionOf(offset)
    const { offsets, times } = this.active()
    offsets.truncateTo(offset)
    times.truncateTo(offset)
    this.transactions.truncateTo(offset)
    this.#bytesSinceIndexEntry = 0
    if (position === null) return false
    this.log.use().truncate(position)
    this.size = position
    this.writtenSize = position
    this.#largest = undefined
    this.#firstTimestamp = undefined
    if (position === 0) {
      this.createdMs = nowMs
      this.#largest = { timestamp: -1, offset: this.baseOffset }
      this.#firstTimestamp = -1
    }
    this.saveIndexes()
    return true
  }

  /** Cuts space that preallocation or a failed write left behind the good bytes. */
  trimLog(): void {
    const file = this.log.use()
    if (file.size() > this.writtenSize) file.truncate(this.writtenSize)
  }

  /** Closes the files; a later use opens them again. */
  close(): void {
    this.log.close()
  }

  /** Renames all files to `.deleted` and lets them go after `delayMs`. */
  discard(delayMs: number): void {
    this.isGone = true
    this.close()
    const suffixes = [FileSuffix.log, FileSuffix.offsetIndex, FileSuffix.timeIndex, FileSuffix.transactionIndex]
    this.#context.trash.discardFiles(
      suffixes.map(suffix => this.path(suffix)),
      delayMs,
    )
  }

  private active(): ActiveIndexes {
    assert(this.#active !== null, 'only the active segment is written to')
    return this.#active
  }

  private writeIndex(suffix: string, bytes: Buffer): void {
    const file = this.#context.world.files.open(this.path(suffix), 'create')
    try {
      writeFully(file, bytes, 0, bytes.length, 0)
      file.truncate(bytes.length)
    } finally {
      file.close()
    }
  }

  private withIndexFile<T>(
    suffix: string,
    missing: T,
    use: (file: ReturnType<SharedFile['use']>, size: number, scratch: Buffer) => T,
  ): T {
    const { bufferPool, world } = this.#context
    const path = this.path(suffix)
    const size = world.files.stat(path)?.size ?? 0
    if (size === 0) return missing
    const file = world.files.open(path, 'read')
    const scratch = bufferPool.take(4096)
    try {
      return use(file, size, scratch)
    } finally {
      bufferPool.give(scratch)
      file.close()
    }
  }

  /** From the time index's last entry; while the segment grows, and without any entry, also from the batches after it. */
  private readLargest(): TimeIndexEntry {
    let largest = this.lastTimeEntry()
    if (largest.timestamp >= 0 && !this.isActive) return largest
    const { bufferPool } = this.#context
    const window = bufferPool.take(windowBytes)
    try {
      const scan = this.scan(this.scanStart(largest.offset), window)
      while (scan.next()) {
        const timestamp = scan.maxTimestamp
        if (timestamp > largest.timestamp) largest = { timestamp, offset: scan.lastOffset }
      }
      return largest
    } finally {
      bufferPool.give(window)
    }
  }

  private lastTimeEntry(): TimeIndexEntry {
    if (this.#active !== null) return this.#active.times.last
    const none: TimeIndexEntry = { timestamp: -1, offset: this.baseOffset }
    return this.withIndexFile(FileSuffix.timeIndex, none, (file, size, scratch) => {
      if (size < TIME_ENTRY_SIZE) return none
      const count = Math.floor(size / TIME_ENTRY_SIZE)
      file.read(scratch, 0, TIME_ENTRY_SIZE, (count - 1) * TIME_ENTRY_SIZE)
      return new TimeIndex(this.baseOffset, scratch.subarray(0, TIME_ENTRY_SIZE)).last
    })
  }
}
