/** The shape of log-dirs.json: what Kafka's DumpLogSegments says of each file. Offsets and timestamps are plain numbers. */
export type LogDirs = Readonly<Record<string, Readonly<Record<string, DescribedDirectory>>>>

export interface DescribedDirectory {
  /** Files of the log directory itself, with their text. */
  readonly files: Readonly<Record<string, string>>
  readonly partitions: Readonly<Record<string, Readonly<Record<string, DescribedFile>>>>
}

export interface DescribedFile {
  readonly size: number
  readonly batches?: readonly DescribedBatch[]
  readonly entries?: readonly Readonly<Record<string, number | null>>[]
  /** What the bytes say where the tool failed. */
  readonly rawEntries?: readonly Readonly<Record<string, number>>[]
  readonly notes?: readonly string[]
  readonly text?: string
}

export interface DescribedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly count: number
  readonly baseSequence: number
  readonly lastSequence: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly partitionLeaderEpoch: number
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly deleteHorizonMs: number | null
  readonly position: number
  readonly CreateTime?: number
  readonly LogAppendTime?: number
  readonly size: number
  readonly magic: number
  readonly compresscodec: string
  readonly crc: number
  readonly isvalid: boolean
  readonly records?: readonly DescribedRecord[]
}

export interface DescribedRecord {
  readonly offset: number
  readonly CreateTime?: number
  readonly LogAppendTime?: number
  readonly keySize: number
  readonly valueSize: number
  readonly sequence: number
  readonly headerKeys: string
  readonly endTxnMarker?: string
  readonly coordinatorEpoch?: number
}
