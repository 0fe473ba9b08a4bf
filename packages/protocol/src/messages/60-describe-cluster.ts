// DescribeCluster, v0-1: cluster id, controller and brokers (KIP-700).
// v1: brokers or KRaft controllers (KIP-919).
import { array, bool, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const describeClusterRequest = message('DescribeClusterRequest', 60, '0-1', '0+', {
  includeClusterAuthorizedOperations: bool('0+'),
  endpointType: int8('1+').default(1),
})
export type DescribeClusterRequest = Infer<typeof describeClusterRequest>

export const describeClusterResponse = message('DescribeClusterResponse', 60, '0-1', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullByDefault(),
  endpointType: int8('1+').default(1),
  clusterId: string('0+'),
  controllerId: int32('0+').default(-1),
  brokers: array('0+', {
    brokerId: int32('0+'),
    host: string('0+'),
    port: int32('0+'),
    rack: string('0+').nullByDefault(),
  }),
  clusterAuthorizedOperations: int32('0+').default(-2147483648),
})
export type DescribeClusterResponse = Infer<typeof describeClusterResponse>
export type DescribeClusterBroker = DescribeClusterResponse['brokers'][number]
