const never = 1e9

/** Intervals of log directories in which nothing happens by itself: for tests and benchmarks that do it when they want it. */
export const noTimers = {
  retentionCheckIntervalMs: never,
  flushCheckIntervalMs: never,
  recoveryPointCheckpointIntervalMs: never,
  logStartOffsetCheckpointIntervalMs: never,
  highWatermarkCheckpointIntervalMs: never,
  producerIdExpirationMs: (): number => never,
  producerIdExpirationCheckIntervalMs: never,
}
