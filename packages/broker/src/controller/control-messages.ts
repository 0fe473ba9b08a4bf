import {
  leaderAndIsrRequest,
  leaderAndIsrResponse,
  type LeaderAndIsrRequest,
  type LeaderAndIsrResponse,
} from '@millrace/protocol/messages/04-leader-and-isr'
import {
  stopReplicaRequest,
  stopReplicaResponse,
  type StopReplicaRequest,
  type StopReplicaResponse,
} from '@millrace/protocol/messages/05-stop-replica'
import {
  updateMetadataRequest,
  updateMetadataResponse,
  type UpdateMetadataRequest,
  type UpdateMetadataResponse,
} from '@millrace/protocol/messages/06-update-metadata'
import type { Message } from '@millrace/protocol/schema'
import type {
  ControlRequest,
  LeaderAndIsrOrder,
  StopReplicaOrder,
  UpdateMetadataOrder,
} from '../core/controller/control-request.ts'

/** A request as it goes over the wire. Versions are fixed, not negotiated: those of inter.broker.protocol.version 3.9. */
export type ControlMessage =
  | ControlCall<LeaderAndIsrOrder, LeaderAndIsrRequest, LeaderAndIsrResponse>
  | ControlCall<UpdateMetadataOrder, UpdateMetadataRequest, UpdateMetadataResponse>
  | ControlCall<StopReplicaOrder, StopReplicaRequest, StopReplicaResponse>

interface ControlCall<Order extends ControlRequest, Request, Response> {
  readonly kind: Order['kind']
  readonly order: Order
  readonly request: Message<Request>
  readonly response: Message<Response>
  readonly version: number
  readonly value: Request
}

export interface Sender {
  readonly brokerId: number
  readonly controllerEpoch: number
}

export function controlMessage(order: ControlRequest, sender: Sender): ControlMessage {
  switch (order.kind) {
    case 'leader-and-isr':
      return {
        kind: order.kind,
        order,
        request: leaderAndIsrRequest,
        response: leaderAndIsrResponse,
        version: 7,
        value: leaderAndIsrValue(order, sender),
      }
    case 'update-metadata':
      return {
        kind: order.kind,
        order,
        request: updateMetadataRequest,
        response: updateMetadataResponse,
        version: 8,
        value: updateMetadataValue(order, sender),
      }
    case 'stop-replica':
      return {
        kind: order.kind,
        order,
        request: stopReplicaRequest,
        response: stopReplicaResponse,
        version: 4,
        value: stopReplicaValue(order, sender),
      }
  }
}

function leaderAndIsrValue(order: LeaderAndIsrOrder, sender: Sender): LeaderAndIsrRequest {
  return {
    controllerId: sender.brokerId,
    isKRaftController: false,
    controllerEpoch: sender.controllerEpoch,
    brokerEpoch: order.brokerEpoch,
    type: 0,
    ungroupedPartitionStates: [],
    topicStates: order.topics.map(topic => ({
      topicName: topic.name,
      topicId: topic.id,
      partitionStates: topic.partitions.map(({ partition, leadership, assignment, isNew }) => ({
        topicName: '',
        partitionIndex: partition,
        controllerEpoch: leadership.controllerEpoch,
        leader: leadership.leader,
        leaderEpoch: leadership.leaderEpoch,
        isr: idsOf(leadership.inSyncReplicas),
        partitionEpoch: leadership.partitionEpoch,
        replicas: idsOf(assignment.replicas),
        addingReplicas: idsOf(assignment.addingReplicas),
        removingReplicas: idsOf(assignment.removingReplicas),
        isNew,
        leaderRecoveryState: leadership.leaderRecoveryState,
      })),
    })),
    liveLeaders: order.leaders.map(({ brokerId, address }) => ({
      brokerId,
      hostName: address.host,
      port: address.port,
    })),
  }
}

function updateMetadataValue(order: UpdateMetadataOrder, sender: Sender): UpdateMetadataRequest {
  return {
    controllerId: sender.brokerId,
    isKRaftController: false,
    type: 0,
    controllerEpoch: sender.controllerEpoch,
    brokerEpoch: order.brokerEpoch,
    ungroupedPartitionStates: [],
    topicStates: order.topics.map(topic => ({
      topicName: topic.name,
      topicId: topic.id,
      partitionStates: topic.partitions.map(({ partition, leadership, replicas, offlineReplicas }) => ({
        topicName: '',
        partitionIndex: partition,
        controllerEpoch: leadership.controllerEpoch,
        leader: leadership.leader,
        leaderEpoch: leadership.leaderEpoch,
        isr: idsOf(leadership.inSyncReplicas),
        zkVersion: leadership.partitionEpoch,
        replicas: idsOf(replicas),
        offlineReplicas: idsOf(offlineReplicas),
      })),
    })),
    liveBrokers: order.brokers.map(broker => ({
      id: broker.id,
      v0Host: '',
      v0Port: 0,
      endpoints: broker.endpoints.map(({ port, host, listener, securityProtocol }) => ({
        port,
        host,
        listener,
        securityProtocol,
      })),
      rack: broker.rack,
    })),
  }
}

/** Encoded at once and changed by nobody: ten thousand rows need no copies of their lists. */
const idsOf = (ids: readonly number[]): number[] => ids as number[]

function stopReplicaValue(order: StopReplicaOrder, sender: Sender): StopReplicaRequest {
  return {
    controllerId: sender.brokerId,
    isKRaftController: false,
    controllerEpoch: sender.controllerEpoch,
    brokerEpoch: order.brokerEpoch,
    deletePartitions: false,
    ungroupedPartitions: [],
    topics: [],
    topicStates: order.topics.map(topic => ({
      topicName: topic.name,
      partitionStates: topic.partitions.map(({ partition, leaderEpoch, deletePartition }) => ({
        partitionIndex: partition,
        leaderEpoch,
        deletePartition,
      })),
    })),
  }
}
