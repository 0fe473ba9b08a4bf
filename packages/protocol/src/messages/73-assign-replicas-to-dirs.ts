// AssignReplicasToDirs, v0: KRaft: which log directory holds which replica (KIP-858).
import { array, int16, int32, int64, message, uuid, type Infer } from '../schema.ts'

export const assignReplicasToDirsRequest = message('AssignReplicasToDirsRequest', 73, '0', '0+', {
  brokerId: int32('0+'),
  brokerEpoch: int64('0+').default(-1),
  directories: array('0+', {
    id: uuid('0+'),
    topics: array('0+', {
      topicId: uuid('0+'),
      partitions: array('0+', { partitionIndex: int32('0+') }),
    }),
  }),
})
export type AssignReplicasToDirsRequest = Infer<typeof assignReplicasToDirsRequest>
export type AssignReplicasToDirsRequestDirectoryData = AssignReplicasToDirsRequest['directories'][number]
export type AssignReplicasToDirsRequestTopicData = AssignReplicasToDirsRequestDirectoryData['topics'][number]
export type AssignReplicasToDirsRequestPartitionData = AssignReplicasToDirsRequestTopicData['partitions'][number]

export const assignReplicasToDirsResponse = message('AssignReplicasToDirsResponse', 73, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  directories: array('0+', {
    id: uuid('0+'),
    topics: array('0+', {
      topicId: uuid('0+'),
      partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
    }),
  }),
})
export type AssignReplicasToDirsResponse = Infer<typeof assignReplicasToDirsResponse>
export type AssignReplicasToDirsResponseDirectoryData = AssignReplicasToDirsResponse['directories'][number]
export type AssignReplicasToDirsResponseTopicData = AssignReplicasToDirsResponseDirectoryData['topics'][number]
export type AssignReplicasToDirsResponsePartitionData = AssignReplicasToDirsResponseTopicData['partitions'][number]
