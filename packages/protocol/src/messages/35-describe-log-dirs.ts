// DescribeLogDirs, v0-4: log directories and the sizes of their partitions (KIP-113).
// v2: flexible. v3: error of the whole answer. v4: size and free space of the volume (KIP-827).
import { array, bool, int16, int32, int64, message, string, type Infer } from '../schema.ts'

export const describeLogDirsRequest = message('DescribeLogDirsRequest', 35, '0-4', '2+', {
  topics: array('0+', {
    topic: string('0+'),
    partitions: array('0+', int32()),
  }).nullable(),
})
export type DescribeLogDirsRequest = Infer<typeof describeLogDirsRequest>
export type DescribableLogDirTopic = NonNullable<DescribeLogDirsRequest['topics']>[number]

export const describeLogDirsResponse = message('DescribeLogDirsResponse', 35, '0-4', '2+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('3+').ignorable(),
  results: array('0+', {
    errorCode: int16('0+'),
    logDir: string('0+'),
    topics: array('0+', {
      name: string('0+'),
      partitions: array('0+', {
        partitionIndex: int32('0+'),
        partitionSize: int64('0+'),
        offsetLag: int64('0+'),
        isFutureKey: bool('0+'),
      }),
    }),
    totalBytes: int64('4+').default(-1).ignorable(),
    usableBytes: int64('4+').default(-1).ignorable(),
  }),
})
export type DescribeLogDirsResponse = Infer<typeof describeLogDirsResponse>
export type DescribeLogDirsResult = DescribeLogDirsResponse['results'][number]
export type DescribeLogDirsTopic = DescribeLogDirsResult['topics'][number]
export type DescribeLogDirsPartition = DescribeLogDirsTopic['partitions'][number]
