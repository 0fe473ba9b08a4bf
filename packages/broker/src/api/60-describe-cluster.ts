// DescribeCluster: v0-1
//
// Behavior
// - Cluster id, controller and brokers, with the endpoints of the listener that was asked on (KIP-700).
// Version notes
// - v1: endpointType (KIP-919): there are only brokers here.
import { ErrorCode } from '@millrace/protocol/errors'
import { describeClusterRequest, describeClusterResponse } from '@millrace/protocol/messages/60-describe-cluster'
import { ALL_CLUSTER_OPERATIONS, OPERATIONS_NOT_REQUESTED } from './authorized-operations.ts'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

const EndpointType = { brokers: 1, controllers: 2 } as const

export default defineHandler(
  describeClusterRequest,
  describeClusterResponse,
  [0, 1],
  (request, context, { metadata, clusterId }: Pick<DataServices, 'metadata' | 'clusterId'>) => {
    const { endpointType } = request
    const isAllowed = request.includeClusterAuthorizedOperations
    const answer = {
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE as ErrorCode,
      errorMessage: null as string | null,
      endpointType: EndpointType.brokers as number,
      clusterId,
      controllerId: metadata.controllerId,
      brokers: metadata.brokersOn(context.listener).map(({ id, rack, endpoints }) => {
        const endpoint = endpoints.get(context.listener)
        return { brokerId: id, host: endpoint?.host ?? '', port: endpoint?.port ?? -1, rack }
      }),
      clusterAuthorizedOperations: isAllowed ? ALL_CLUSTER_OPERATIONS : OPERATIONS_NOT_REQUESTED,
    }
    if (endpointType === EndpointType.brokers) return answer
    const isKnown = endpointType === EndpointType.controllers
    return {
      ...answer,
      errorCode: isKnown ? ErrorCode.MISMATCHED_ENDPOINT_TYPE : ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
      errorMessage: isKnown
        ? 'The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER'
        : `Unsupported endpoint type ${endpointType}`,
      clusterId: '',
      controllerId: -1,
      brokers: [],
      clusterAuthorizedOperations: OPERATIONS_NOT_REQUESTED,
    }
  },
  { retainFrom: Infinity },
)
