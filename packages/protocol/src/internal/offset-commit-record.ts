// A committed offset in __consumer_offsets: keys v0 and v1, told apart from GroupMetadata (v2) by their version.
// Kafka 3.9 writes key v1 and value v3, or value v1 when the client chose a retention time.
import { int32, int64, message, NO_API, string, type Infer } from '../schema.ts'

export const offsetCommitKey = message('OffsetCommitKey', NO_API, '0-1', 'none', {
  group: string('0-1'),
  topic: string('0-1'),
  partition: int32('0-1'),
})
export type OffsetCommitKey = Infer<typeof offsetCommitKey>

export const offsetCommitValue = message('OffsetCommitValue', NO_API, '0-4', '4+', {
  offset: int64('0+'),
  leaderEpoch: int32('3+').default(-1).ignorable(),
  metadata: string('0+'),
  commitTimestamp: int64('0+'),
  expireTimestamp: int64('1').default(-1).ignorable(),
})
export type OffsetCommitValue = Infer<typeof offsetCommitValue>
