/** What lies in a partition folder, by the end of its name (reference 4.1.3). */
export const FileSuffix = {
  log: '.log',
  offsetIndex: '.index',
  timeIndex: '.timeindex',
  transactionIndex: '.txnindex',
  producerSnapshot: '.snapshot',
  /** Waits for its removal. */
  deleted: '.deleted',
  /** Output of a compaction that has not finished: to be thrown away. */
  cleaned: '.cleaned',
  /** Finished output of a compaction that was about to replace its sources. */
  swap: '.swap',
} as const

export const leaderEpochCheckpointName = 'leader-epoch-checkpoint'
export const partitionMetadataName = 'partition.metadata'
export const cleanShutdownName = '.kafka_cleanshutdown'
export const lockName = '.lock'
export const recoveryPointCheckpointName = 'recovery-point-offset-checkpoint'
export const highWatermarkCheckpointName = 'replication-offset-checkpoint'
export const logStartCheckpointName = 'log-start-offset-checkpoint'
export const cleanerCheckpointName = 'cleaner-offset-checkpoint'

/** `00000000000000000042.log`: the base offset in 20 digits, so that names sort as offsets do. */
export function fileName(baseOffset: number, suffix: string): string {
  return String(baseOffset).padStart(20, '0') + suffix
}

export interface SegmentFileName {
  readonly baseOffset: number
  /** `.log`, `.index`…; without the transient suffix. */
  readonly suffix: string
  /** `.deleted`, `.cleaned`, `.swap`, or empty. */
  readonly transient: string
}

/** Null for a name that is not a segment file's or a snapshot's, or whose offset no number holds exactly. */
export function parseFileName(name: string): SegmentFileName | null {
  const match = /^(\d{20})(\.(?:log|index|timeindex|txnindex|snapshot))(\.(?:deleted|cleaned|swap))?$/.exec(name)
  if (match === null) return null
  const baseOffset = Number(match[1])
  if (!Number.isSafeInteger(baseOffset)) return null
  return { baseOffset, suffix: match[2]!, transient: match[3] ?? '' }
}

/** How the folder of a partition is named besides `topic-partition`. */
export type DirectoryState = 'current' | 'delete' | 'future' | 'stray'

export interface PartitionDirectoryName {
  readonly topic: string
  readonly partition: number
  readonly state: DirectoryState
  /** The hex digits of a transient name; empty for a current one. */
  readonly uniqueHex: string
}

/** Longest name of a folder that common file systems take. */
const longestName = 255

export function directoryName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/**
 * `<topic>-<partition>.<32 hex digits>-<state>`; the topic is cut where the whole would be longer than a folder's name may be,
 * which loses nothing: the name only has to be unique, and the hex digits are.
 */
export function transientDirectoryName(
  topic: string,
  partition: number,
  uniqueHex: string,
  state: 'delete' | 'future' | 'stray',
): string {
  const end = `-${partition}.${uniqueHex}-${state}`
  return topic.slice(0, longestName - end.length) + end
}

/** A future log's name may not be cut: it says whose log it becomes (KAFKA-4893). */
export function isTooLongToMove(topic: string, partition: number): boolean {
  return `${topic}-${partition}.-future`.length + 32 > longestName
}

/** Null for a folder that is no partition's. The partition number stands after the last dash: topics may contain dashes. */
export function parseDirectoryName(name: string): PartitionDirectoryName | null {
  const transient = /^(.+)\.([0-9a-f]{32})-(delete|future|stray)$/.exec(name)
  const plain = transient === null ? name : transient[1]!
  const match = /^([a-zA-Z0-9._-]+)-(\d{1,10})$/.exec(plain)
  if (match === null) return null
  const partition = Number(match[2])
  if (partition > 0x7fffffff) return null
  const topic = match[1]!
  if (transient === null) return { topic, partition, state: 'current', uniqueHex: '' }
  return { topic, partition, state: transient[3] as DirectoryState, uniqueHex: transient[2]! }
}
