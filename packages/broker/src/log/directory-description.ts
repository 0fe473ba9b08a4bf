/** A row of DescribeLogDirs. */
export interface DirectoryDescription {
  readonly directory: string
  readonly isOffline: boolean
  readonly totalBytes: number
  readonly usableBytes: number
  /** None where it is offline. */
  readonly logs: readonly LogDescription[]
}

export interface LogDescription {
  readonly topic: string
  readonly partition: number
  readonly size: number
  readonly logEndOffset: number
  /** On its way into this directory. */
  readonly isFuture: boolean
}
