import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import {
  leaderAndIsrRequest,
  leaderAndIsrResponse,
  type LeaderAndIsrPartitionState,
  type LeaderAndIsrRequest,
} from '@millrace/protocol/messages/04-leader-and-isr'
import {
  stopReplicaRequest,
  stopReplicaResponse,
  type StopReplicaRequest,
} from '@millrace/protocol/messages/05-stop-replica'
import {
  updateMetadataRequest,
  updateMetadataResponse,
  type UpdateMetadataRequest,
} from '@millrace/protocol/messages/06-update-metadata'
import { emptyOf, ZERO_UUID } from '@millrace/protocol/schema'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'

// LeaderAndIsr, StopReplica and UpdateMetadata together: they share their epochs.

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

const topicId = 'abcdefghijklmnopqrstuA'

function state(changes: Partial<LeaderAndIsrPartitionState> = {}): LeaderAndIsrPartitionState {
  return {
    topicName: '',
    partitionIndex: 0,
    controllerEpoch: 1,
    leader: 1,
    leaderEpoch: 0,
    isr: [1],
    partitionEpoch: 0,
    replicas: [1],
    addingReplicas: [],
    removingReplicas: [],
    isNew: true,
    leaderRecoveryState: 0,
    ...changes,
  }
}

async function leaderAndIsr(
  states: readonly LeaderAndIsrPartitionState[],
  changes: Partial<LeaderAndIsrRequest> & { id?: string } = {},
): Promise<{ errorCode: number; rows: number[] }> {
  const { id = topicId, ...rest } = changes
  const response = await broker.request(leaderAndIsrRequest, leaderAndIsrResponse, 7, {
    ...emptyOf(leaderAndIsrRequest),
    controllerId: 1,
    controllerEpoch: 1,
    brokerEpoch: broker.brokerEpoch,
    topicStates: [{ topicName: 't', topicId: id, partitionStates: [...states] }],
    ...rest,
  })
  const rows = response.topics.flatMap(({ partitionErrors }) => partitionErrors.map(({ errorCode }) => errorCode))
  return { errorCode: response.errorCode, rows }
}

async function stopReplica(
  partition: { partitionIndex?: number; leaderEpoch: number; deletePartition: boolean },
  changes: Partial<StopReplicaRequest> = {},
): Promise<{ errorCode: number; rows: number[] }> {
  const response = await broker.request(stopReplicaRequest, stopReplicaResponse, 4, {
    ...emptyOf(stopReplicaRequest),
    controllerId: 1,
    controllerEpoch: 1,
    brokerEpoch: broker.brokerEpoch,
    topicStates: [{ topicName: 't', partitionStates: [{ partitionIndex: 0, ...partition }] }],
    ...changes,
  })
  return { errorCode: response.errorCode, rows: response.partitionErrors.map(({ errorCode }) => errorCode) }
}

async function updateMetadata(changes: Partial<UpdateMetadataRequest>): Promise<number> {
  const response = await broker.request(updateMetadataRequest, updateMetadataResponse, 8, {
    ...emptyOf(updateMetadataRequest),
    controllerId: 1,
    controllerEpoch: 1,
    brokerEpoch: broker.brokerEpoch,
    ...changes,
  })
  return response.errorCode
}

describe('leading', () => {
  test('a new partition: its log is made with the topic id, its epoch begins at 0', async () => {
    expect(await leaderAndIsr([state({ leaderEpoch: 3 })])).toEqual({ errorCode: 0, rows: [0] })
    const log = broker.logs.get('t', 0)!
    expect(log.topicId).toBe(topicId)
    expect(log.leaderEpochs.entries).toEqual([{ epoch: 3, startOffset: 0 }])
    expect(broker.partitions.leaderOf('t', 0)).toBe(broker.partitions.hosted('t', 0))
  })

  test('the same epoch again, and an older one: STALE_CONTROLLER_EPOCH for the partition', async () => {
    await leaderAndIsr([state({ leaderEpoch: 3 })])
    expect((await leaderAndIsr([state({ leaderEpoch: 3 })])).rows).toEqual([ErrorCode.STALE_CONTROLLER_EPOCH])
    expect((await leaderAndIsr([state({ leaderEpoch: 2 })])).rows).toEqual([ErrorCode.STALE_CONTROLLER_EPOCH])
  })

  test('not a replica: UNKNOWN_TOPIC_OR_PARTITION, no log', async () => {
    expect((await leaderAndIsr([state({ replicas: [2, 3], leader: 2, isr: [2] })])).rows).toEqual([
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ])
    expect(broker.logs.get('t', 0)).toBeUndefined()
  })

  test('another topic of the same name: INCONSISTENT_TOPIC_ID', async () => {
    await leaderAndIsr([state()])
    const other = await leaderAndIsr([state({ leaderEpoch: 1 })], { id: 'zzzzzzzzzzzzzzzzzzzzzA' })
    expect(other.rows).toEqual([ErrorCode.INCONSISTENT_TOPIC_ID])
  })

  test('a log without id, the same epoch with one: the id is assigned', async () => {
    await leaderAndIsr([state()], { id: ZERO_UUID })
    expect(broker.logs.get('t', 0)!.topicId).toBeNull()
    expect((await leaderAndIsr([state()])).rows).toEqual([ErrorCode.NONE])
    expect(broker.logs.get('t', 0)!.topicId).toBe(topicId)
  })

  test('following: the log is there, the partition is not ours to lead', async () => {
    await leaderAndIsr([state({ leader: 2, isr: [2, 1], replicas: [2, 1] })])
    expect(broker.logs.get('t', 0)).toBeDefined()
    expect(broker.partitions.leaderOf('t', 0)).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  })

  test('v0 and v4: rows by name', async () => {
    for (const version of [0, 1, 2, 3, 4]) {
      const states = [state({ topicName: 't', leaderEpoch: version, isNew: version >= 1 })]
      const response = await broker.request(leaderAndIsrRequest, leaderAndIsrResponse, version, {
        ...emptyOf(leaderAndIsrRequest),
        controllerEpoch: 1,
        ...(version < 2
          ? { ungroupedPartitionStates: states }
          : { topicStates: [{ topicName: 't', topicId: ZERO_UUID, partitionStates: states }] }),
      })
      expect(response.partitionErrors).toEqual([{ topicName: 't', partitionIndex: 0, errorCode: ErrorCode.NONE }])
    }
  })
})

describe('a log that goes', () => {
  test('StopReplica with deletion: at the answer the folder does not come back, whatever happens to the machine', async () => {
    await leaderAndIsr([state()])
    await broker.logs.checkpointHighWatermarks()
    broker.files.syncDirectory(broker.logs.onlineDirectories[0]!)
    const names = (): string[] => broker.files.afterPowerCut().list(broker.logs.onlineDirectories[0]!)
    expect(names()).toContain('t-0')
    const { promise: diskIsDone, resolve: finish } = Promise.withResolvers<void>()
    const sync = broker.files.syncDirectoryAsync.bind(broker.files)
    broker.files.syncDirectoryAsync = async path => {
      await diskIsDone
      await sync(path)
    }
    let isAnswered = false
    const answer = stopReplica({ leaderEpoch: -2, deletePartition: true })
    void answer.then(() => (isAnswered = true))
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(isAnswered).toBe(false)
    finish()
    expect(await answer).toMatchObject({ errorCode: 0 })
    expect(names()).not.toContain('t-0')
    expect(names().some(name => name.endsWith('-delete'))).toBe(true)
  })
})

describe('epochs of the controller and of this broker', () => {
  test('an old controller: refused by all three, nothing changes', async () => {
    expect(await updateMetadata({ controllerEpoch: 5 })).toBe(ErrorCode.NONE)
    expect(await leaderAndIsr([state()])).toEqual({
      errorCode: ErrorCode.STALE_CONTROLLER_EPOCH,
      rows: [ErrorCode.STALE_CONTROLLER_EPOCH],
    })
    expect(await stopReplica({ leaderEpoch: -2, deletePartition: true })).toEqual({
      errorCode: ErrorCode.STALE_CONTROLLER_EPOCH,
      rows: [ErrorCode.STALE_CONTROLLER_EPOCH],
    })
    expect(await updateMetadata({ controllerId: 9 })).toBe(ErrorCode.STALE_CONTROLLER_EPOCH)
    expect(broker.logs.get('t', 0)).toBeUndefined()
    expect(broker.metadata.controllerId).toBe(1)
  })

  test('meant for our former life: STALE_BROKER_EPOCH', async () => {
    broker.brokerEpoch = 40
    const former = { brokerEpoch: 39 }
    expect((await leaderAndIsr([state()], former)).errorCode).toBe(ErrorCode.STALE_BROKER_EPOCH)
    expect((await stopReplica({ leaderEpoch: 0, deletePartition: true }, former)).errorCode).toBe(
      ErrorCode.STALE_BROKER_EPOCH,
    )
    expect(await updateMetadata(former)).toBe(ErrorCode.STALE_BROKER_EPOCH)
    expect(await updateMetadata({ brokerEpoch: -1 })).toBe(ErrorCode.NONE)
  })
})

describe('stopping', () => {
  test('without deletion: the log stays', async () => {
    await leaderAndIsr([state()])
    expect((await stopReplica({ leaderEpoch: 0, deletePartition: false })).rows).toEqual([ErrorCode.NONE])
    expect(broker.logs.get('t', 0)).toBeDefined()
  })

  test('with deletion: log and partition are gone; the name is free again at once', async () => {
    await leaderAndIsr([state({ leaderEpoch: 2 })])
    expect((await stopReplica({ leaderEpoch: 1, deletePartition: true })).rows).toEqual([ErrorCode.FENCED_LEADER_EPOCH])
    expect((await stopReplica({ leaderEpoch: -2, deletePartition: true })).rows).toEqual([ErrorCode.NONE])
    expect(broker.logs.get('t', 0)).toBeUndefined()
    expect(broker.partitions.hosted('t', 0)).toBeUndefined()
    expect((await leaderAndIsr([state()], { id: 'zzzzzzzzzzzzzzzzzzzzzA' })).rows).toEqual([ErrorCode.NONE])
  })

  test.each([
    ['moved to others: NOT_LEADER_OR_FOLLOWER', 2, ErrorCode.NOT_LEADER_OR_FOLLOWER],
    ['gone with its topic: UNKNOWN_TOPIC_OR_PARTITION', -2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ])('with deletion, while an acks=all produce waits, %s', async (_, leader, errorCode) => {
    await broker.createTopic('t', { partitions: [[1, 2]] })
    const waiting = broker.request(produceRequest, produceResponse, 9, produceOf('t', batchOf(['a'])))
    await new Promise(resolve => setTimeout(resolve, 5))
    const where = { topicName: '', partitionIndex: 0, controllerEpoch: 1, leader, leaderEpoch: 1, zkVersion: 1 }
    const partitionStates = [{ ...where, isr: [2], replicas: [2], offlineReplicas: [] }]
    await updateMetadata({ topicStates: [{ topicName: 't', topicId: ZERO_UUID, partitionStates }] })
    expect((await stopReplica({ leaderEpoch: 1, deletePartition: true })).rows).toEqual([ErrorCode.NONE])
    expect((await waiting).responses[0]!.partitionResponses).toMatchObject([{ errorCode }])
  })

  test('a partition that is not here: NONE', async () => {
    expect((await stopReplica({ leaderEpoch: 0, deletePartition: true })).rows).toEqual([ErrorCode.NONE])
  })

  test.each([0, 1, 2])('v%d: one flag for all', async version => {
    await leaderAndIsr([state()])
    const response = await broker.request(stopReplicaRequest, stopReplicaResponse, version, {
      ...emptyOf(stopReplicaRequest),
      controllerEpoch: 1,
      deletePartitions: true,
      ...(version === 0
        ? { ungroupedPartitions: [{ topicName: 't', partitionIndex: 0 }] }
        : { topics: [{ name: 't', partitionIndexes: [0] }] }),
    })
    expect(response.partitionErrors).toEqual([{ topicName: 't', partitionIndex: 0, errorCode: ErrorCode.NONE }])
    expect(broker.logs.get('t', 0)).toBeUndefined()
  })
})
