// DeleteRecords: v0-2
//
// Behavior
// - Raises the log start; -1 means up to the high watermark. Answers the low watermark: the smallest log start of all live replicas.
// - Topics without the delete policy refuse (POLICY_VIOLATION), internal ones too.
// Version notes
// - v2: flexible (KIP-482).
// - Answers when all of them have followed, or with REQUEST_TIMED_OUT for those partitions that have not.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  deleteRecordsRequest,
  deleteRecordsResponse,
  type DeleteRecordsPartition,
  type DeleteRecordsPartitionResult,
} from '@millrace/protocol/messages/21-delete-records'
import type { Partition } from '../replication/partition.ts'
import { defineHandler } from './handler.ts'
import { isInternalTopic } from '../core/controller/topic-rules.ts'
import type { DataServices } from './services.ts'

type Services = Pick<DataServices, 'partitions' | 'metadata' | 'deadlines'>

/** One partition of the request; `partition` is null when it failed. */
interface Deletion {
  readonly index: number
  readonly partition: Partition | null
  readonly errorCode: ErrorCode
  readonly offset: number
}

export default defineHandler(
  deleteRecordsRequest,
  deleteRecordsResponse,
  [0, 2],
  (request, _context, services: Services) => {
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      deletions: partitions.map(asked => deleteRecords(name, asked, services)),
    }))
    const low = (partition: Partition): number => partition.lowWatermark(id => services.metadata.isAlive(id))
    // Who leads no more cannot say how far followers are: another broker can.
    const isDone = ({ partition, offset }: Deletion): boolean =>
      partition === null || !partition.isLeader || low(partition) >= offset
    const result = (deletion: Deletion): DeleteRecordsPartitionResult => {
      const { index: partitionIndex, partition, errorCode } = deletion
      if (partition === null) return { partitionIndex, lowWatermark: -1, errorCode }
      if (!partition.isLeader) return { partitionIndex, lowWatermark: -1, errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER }
      const isInTime = isDone(deletion)
      const lowWatermark = isInTime ? low(partition) : -1
      return { partitionIndex, lowWatermark, errorCode: isInTime ? ErrorCode.NONE : ErrorCode.REQUEST_TIMED_OUT }
    }
    const answer = (): {
      throttleTimeMs: number
      topics: { name: string; partitions: DeleteRecordsPartitionResult[] }[]
    } => ({
      throttleTimeMs: 0,
      topics: topics.map(({ name, deletions }) => ({ name, partitions: deletions.map(result) })),
    })
    if (topics.every(({ deletions }) => deletions.every(isDone))) return answer()
    return new Promise(resolve => {
      const waits: (() => void)[] = []
      const finish = (): void => {
        for (const end of waits) end()
        deadline.cancel()
        resolve(answer())
      }
      const deadline = services.deadlines.after(request.timeoutMs, finish)
      const check = (): void => {
        if (topics.every(({ deletions }) => deletions.every(isDone))) finish()
      }
      // A follower that is gone holds nothing back.
      waits.push(services.metadata.onChange(check))
      for (const { deletions } of topics) {
        for (const { partition } of deletions) if (partition !== null) waits.push(partition.onLowWatermark(check))
      }
    })
  },
  { retainFrom: Infinity, answersAsLeader: true },
)

function deleteRecords(topic: string, asked: DeleteRecordsPartition, { partitions }: Services): Deletion {
  const { partitionIndex: index } = asked
  const failed = (errorCode: ErrorCode): Deletion => ({ index, partition: null, errorCode, offset: -1 })
  if (isInternalTopic(topic)) return failed(ErrorCode.INVALID_TOPIC_EXCEPTION)
  const partition = partitions.leaderOf(topic, index)
  if (typeof partition === 'number') return failed(partition)
  if (!partition.log.settings.cleanupPolicy.delete) return failed(ErrorCode.POLICY_VIOLATION)
  const before = asked.offset === -1 ? partition.highWatermark : asked.offset
  const errorCode = partition.deleteRecordsBefore(before)
  return errorCode === ErrorCode.NONE ? { index, partition, errorCode, offset: before } : failed(errorCode)
}
