// AlterReplicaLogDirs, v0-2: moves replicas between log directories of a broker (KIP-113).
// v2: flexible.
import { array, int16, int32, message, string, type Infer } from '../schema.ts'

export const alterReplicaLogDirsRequest = message('AlterReplicaLogDirsRequest', 34, '0-2', '2+', {
  dirs: array('0+', {
    path: string('0+'),
    topics: array('0+', { name: string('0+'), partitions: array('0+', int32()) }),
  }),
})
export type AlterReplicaLogDirsRequest = Infer<typeof alterReplicaLogDirsRequest>
export type AlterReplicaLogDir = AlterReplicaLogDirsRequest['dirs'][number]
export type AlterReplicaLogDirTopic = AlterReplicaLogDir['topics'][number]

export const alterReplicaLogDirsResponse = message('AlterReplicaLogDirsResponse', 34, '0-2', '2+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', {
    topicName: string('0+'),
    partitions: array('0+', { partitionIndex: int32('0+'), errorCode: int16('0+') }),
  }),
})
export type AlterReplicaLogDirsResponse = Infer<typeof alterReplicaLogDirsResponse>
export type AlterReplicaLogDirTopicResult = AlterReplicaLogDirsResponse['results'][number]
export type AlterReplicaLogDirPartitionResult = AlterReplicaLogDirTopicResult['partitions'][number]
