/** What a partition log tells its partition. Never called inside a call to the log: always at the end of the turn. */
export interface LogEffects {
  /** Everything below `logEndOffset` is written and may be seen. Once per turn, however many appends it took. */
  endOffsetAdvanced(logEndOffset: number): void
  /** The log directory is offline: what was appended and not announced is lost; answer KAFKA_STORAGE_ERROR. Called once. */
  failed(error: Error): void
}
