/** A fetch outside logStartOffset..logEndOffset. */
export class OffsetOutOfRange extends Error {
  override readonly name = 'OffsetOutOfRange'
  readonly fetchOffset: number
  readonly logStartOffset: number
  readonly logEndOffset: number

  constructor(fetchOffset: number, logStartOffset: number, logEndOffset: number) {
    super(`offset ${fetchOffset} outside ${logStartOffset}..${logEndOffset}`)
    this.fetchOffset = fetchOffset
    this.logStartOffset = logStartOffset
    this.logEndOffset = logEndOffset
  }
}

/** A leader sent a follower batches that begin below the end of its log. */
export class UnexpectedAppendOffset extends Error {
  override readonly name = 'UnexpectedAppendOffset'
  readonly baseOffset: number
  readonly lastOffset: number
  readonly logEndOffset: number

  constructor(path: string, batch: { baseOffset: number; lastOffset: number }, logEndOffset: number) {
    super(`${path}: batch ${batch.baseOffset}..${batch.lastOffset} for a log that ends at ${logEndOffset}`)
    this.baseOffset = batch.baseOffset
    this.lastOffset = batch.lastOffset
    this.logEndOffset = logEndOffset
  }
}

/** The folder belongs to another topic of the same name (KIP-516): answer INCONSISTENT_TOPIC_ID. */
export class TopicIdMismatch extends Error {
  override readonly name = 'TopicIdMismatch'
  readonly found: string
  readonly wanted: string

  constructor(path: string, found: string, wanted: string) {
    super(`${path} belongs to topic id ${found}, not ${wanted}`)
    this.found = found
    this.wanted = wanted
  }
}

/** The directory of a log is offline, or no directory is left for a new one: answer KAFKA_STORAGE_ERROR. */
export class DirectoryOffline extends Error {
  override readonly name = 'DirectoryOffline'
}

/** Two directories hold a log of one partition, and nothing tells which one is true: a person has to. */
export class DuplicateLog extends Error {
  override readonly name = 'DuplicateLog'

  constructor(paths: readonly string[]) {
    super(
      `two logs of one partition: ${paths.join(' and ')}. A move between log directories was interrupted by a failure of one of them; ` +
        'remove the folder in the directory that failed, and start again',
    )
  }
}

/** Bytes of a closed segment that are no batch. */
export class CorruptSegment extends Error {
  override readonly name = 'CorruptSegment'
  readonly path: string
  readonly position: number

  constructor(path: string, position: number) {
    super(`${path}: no whole batch at position ${position}`)
    this.path = path
    this.position = position
  }
}

/** A compaction lost its ground: the log was cut, deleted, closed, or is not to be compacted any more. */
export class CleaningAborted extends Error {
  override readonly name = 'CleaningAborted'
}
