/** Who appends. Clients are checked most; coordinators write control records and group state; replication repeats what a leader checked. */
export type AppendOrigin = 'client' | 'coordinator'

/** How a leader appends. */
export interface AppendOptions {
  readonly leaderEpoch: number
  readonly origin: AppendOrigin
  /** Of the Produce request: 3 and up carry exactly one batch of magic 2; zstd needs 7. */
  readonly apiVersion: number
  readonly nowMs: number
}

export interface RecordError {
  /** Index of the record in its batch, from zero. */
  readonly batchIndex: number
  readonly message: string | null
}

export interface AppendAccepted {
  readonly ok: true
  readonly baseOffset: number
  /** Inclusive. Visible, and to be acknowledged, once the log's `logEndOffset` is above it. */
  readonly lastOffset: number
  /** -1 with CreateTime; of a duplicate, the timestamp of the original batch. */
  readonly logAppendTimeMs: number
  readonly logStartOffset: number
  /** The producer sent this batch before: the offsets are those of then, nothing was appended (KIP-98). */
  readonly isDuplicate: boolean
}

export interface AppendRefused {
  readonly ok: false
  readonly errorCode: number
  /** Null for most errors, as Kafka answers them. */
  readonly errorMessage: string | null
  readonly recordErrors: readonly RecordError[]
  /** What Kafka's answer carries: the log start offset for some errors, -1 for others. */
  readonly logStartOffset: number
}

export type AppendOutcome = AppendAccepted | AppendRefused
