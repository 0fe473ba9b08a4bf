import { afterEach, expect, test } from '@jest/globals'
import { ErrorCode, errorName } from '@millrace/protocol/errors'
import type { LeaderAndIsrRequest } from '@millrace/protocol/messages/04-leader-and-isr'
import { ControllerCluster, type ControlledBroker } from '@millrace/testing/controller/controller-cluster'
import { FaultyCoordination } from '@millrace/testing/controller/faulty-coordination'
import { AnyVersion } from '@millrace/zookeeper/coordination'
import type { IsrChange } from '../core/controller/plan-alter-partition.ts'
import { partitionStateZnode, topicZnode, type PartitionStateValue, type TopicAssignment } from '../metadata/znodes.ts'

let cluster = new ControllerCluster()
afterEach(async () => {
  await cluster.close()
  cluster = new ControllerCluster()
})

const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'

async function create(broker: ControlledBroker, name: string, replicas: readonly number[][]): Promise<void> {
  const partitions = new Map(replicas.map((list, partition) => [partition, list]))
  const value = { topicId, partitions, addingReplicas: new Map(), removingReplicas: new Map() }
  await settled(broker.client.create(topicZnode.path(name), topicZnode.encode(value)))
}

async function settled<T>(work: Promise<T>): Promise<T> {
  const answer = await cluster.world.during(work)
  await cluster.settle()
  return answer
}

async function stateOf(broker: ControlledBroker, partition = 0): Promise<PartitionStateValue & { version: number }> {
  const path = partitionStateZnode.path('t', partition)
  const { data, stat } = await settled(broker.client.get(path))
  return { ...partitionStateZnode.decode(data, path), version: stat.version }
}

async function assignment(broker: ControlledBroker): Promise<TopicAssignment> {
  const { data } = await settled(broker.client.get(topicZnode.path('t')))
  return topicZnode.decode(data, topicZnode.path('t'))
}

/** What the leader of `t-0` would ask for. */
async function isrChange(leader: ControlledBroker, ids: readonly number[]): Promise<IsrChange> {
  const { leaderEpoch, version } = await stateOf(leader)
  const inSyncReplicas = ids.map(brokerId => ({ brokerId, brokerEpoch: cluster.brokers.get(brokerId)?.epoch ?? -1 }))
  const proposal = { topic: { id: topicId }, partition: 0, leaderEpoch, partitionEpoch: version, inSyncReplicas }
  return { brokerId: leader.id, brokerEpoch: leader.epoch, proposals: [{ ...proposal, leaderRecoveryState: 0 }] }
}

async function proposeIsr(leader: ControlledBroker, ids: readonly number[], at = cluster.active!): Promise<string> {
  const answer = await settled(at.controller.alterPartition(await isrChange(leader, ids)))
  return errorName(answer.errorCode === ErrorCode.NONE ? answer.proposals[0]!.errorCode : answer.errorCode)
}

test('AlterPartition: asked of the controller: written, and known to every broker', async () => {
  const [first] = [await cluster.start(1), await cluster.start(2), await cluster.start(3)]
  await create(first, 't', [[1, 2, 3]])
  expect(await proposeIsr(first, [1, 3])).toBe('NONE')
  expect(await stateOf(first)).toMatchObject({ inSyncReplicas: [1, 3], leaderEpoch: 0, version: 1 })
  for (const { metadata } of cluster.brokers.values()) {
    expect(metadata.partition('t', 0)).toMatchObject({ inSyncReplicas: [1, 3], partitionEpoch: 1 })
  }
})

test('AlterPartition: for one term: written in it, and by no later controller', async () => {
  const [second, first] = [await cluster.start(2), await cluster.start(1), await cluster.start(3)]
  await create(first, 't', [[1, 3]])
  const ask = async (ids: readonly number[], controllerEpoch: number): Promise<string> => {
    const { controller } = cluster.active!
    const answer = await settled(controller.alterPartition({ ...(await isrChange(first, ids)), controllerEpoch }))
    return errorName(answer.errorCode === ErrorCode.NONE ? answer.proposals[0]!.errorCode : answer.errorCode)
  }
  const { controllerEpoch } = second.controller
  expect(await ask([1], controllerEpoch)).toBe('NONE')
  await cluster.kill(2)
  const next = cluster.active!.controller.controllerEpoch
  expect(next).toBeGreaterThan(controllerEpoch)
  expect(await ask([1, 3], controllerEpoch)).toBe('NOT_CONTROLLER')
  expect((await stateOf(first)).inSyncReplicas).toEqual([1])
  expect(await ask([1, 3], next)).toBe('NONE')
  expect((await stateOf(first)).inSyncReplicas).toEqual([1, 3])
})

test('every request for the controller: asked of another broker: NOT_CONTROLLER', async () => {
  const [first, other] = [await cluster.start(1), await cluster.start(2)]
  await create(first, 't', [[1, 2]])
  expect(await proposeIsr(first, [1], other)).toBe('NOT_CONTROLLER')
  const { controller } = other
  expect((await settled(controller.controlledShutdown(2, other.epoch))).errorCode).toBe(ErrorCode.NOT_CONTROLLER)
  expect(await settled(controller.electLeaders('preferred', null))).toBeNull()
  expect(await settled(controller.alterReassignments([]))).toBeNull()
  expect(await settled(controller.reassignments(null))).toBeNull()
})

test('a controller that was deposed and has not noticed: writes nothing, answers NOT_CONTROLLER', async () => {
  const [first, other] = [await cluster.start(1), await cluster.start(2)]
  await create(first, 't', [[1, 2]])
  // Somebody else raises the epoch behind its back: its next write must fail, whatever it believes.
  await cluster.world.during(other.client.set('/controller_epoch', Buffer.from('2'), AnyVersion))
  expect(first.controller.isActive).toBe(true)
  expect(await proposeIsr(first, [1], first)).toBe('NOT_CONTROLLER')
  expect(await stateOf(first)).toMatchObject({ inSyncReplicas: [1, 2], version: 0 })
})

test('reassignment: begins, is listed, ends with the ISR; partitions added meanwhile stay', async () => {
  const [first] = [await cluster.start(1), await cluster.start(2), await cluster.start(3)]
  await create(first, 't', [[1, 2]])
  const outcomes = await settled(first.controller.alterReassignments([{ topic: 't', partition: 0, replicas: [2, 3] }]))
  expect(outcomes).toEqual([{ topic: 't', partition: 0, errorCode: 0, message: null }])
  const moving = { replicas: [2, 3, 1], addingReplicas: [3], removingReplicas: [1] }
  const running = [{ topic: 't', partition: 0, assignment: moving }]
  expect(await settled(first.controller.reassignments(null))).toEqual(running)
  expect(await settled(first.controller.reassignments([{ topic: 't', partition: 0 }]))).toEqual(running)
  expect(await settled(first.controller.reassignments([{ topic: 'x', partition: 0 }]))).toEqual([])
  const orders = cluster.brokers.get(3)!.received.filter(one => one.name === 'LeaderAndIsrRequest')
  expect((orders[0]!.value as LeaderAndIsrRequest).topicStates[0]?.partitionStates[0]).toMatchObject({
    leader: 1,
    isNew: true,
    addingReplicas: [3],
  })
  // A broker adds a partition in the very moment in which the controller writes its end.
  const before = await assignment(first)
  const added = { ...before, partitions: new Map([...before.partitions, [1, [1]]]) }
  const writing = first.client.set(topicZnode.path('t'), topicZnode.encode(added), AnyVersion)
  expect(await proposeIsr(first, [1, 2, 3])).toBe('NONE')
  await settled(writing)
  expect(await assignment(first)).toEqual({
    topicId,
    partitions: new Map([
      [0, [2, 3]],
      [1, [1]],
    ]),
    addingReplicas: new Map(),
    removingReplicas: new Map(),
  })
  expect(await stateOf(first)).toMatchObject({ leader: 2, inSyncReplicas: [2, 3] })
  expect(await stateOf(first, 1)).toMatchObject({ leader: 1 })
  expect(await settled(first.controller.reassignments(null))).toEqual([])
})

test('reassignment: the controller killed at each of its writes: the next one brings it to the same end', async () => {
  const run = async (crashAt: number, fault: 'answer-lost' | 'request-lost'): Promise<number> => {
    cluster = new ControllerCluster()
    let isDead = false
    let writes = 0
    await cluster.start(9, {
      wrap: client =>
        new FaultyCoordination(client, {
          onTransaction: () => {
            writes++
            if (isDead) return 'hangs'
            if (writes < crashAt) return 'done'
            isDead = true
            cluster.world.time.after(1, () => void cluster.kill(9))
            return fault
          },
        }),
    })
    const [first] = [await cluster.start(1), await cluster.start(2), await cluster.start(3)]
    await create(first, 't', [[1, 2]])
    const begin = async (): Promise<void> => {
      const asked = [{ topic: 't', partition: 0, replicas: [2, 3] }]
      // Whoever gets no answer asks the next controller.
      void cluster.active?.controller.alterReassignments(asked)
      await cluster.settle()
    }
    await begin()
    await begin()
    for (let round = 0; round < 3; round++) {
      const { leader, inSyncReplicas } = await stateOf(first)
      const wanted = [...inSyncReplicas, ...[1, 2, 3].filter(id => !inSyncReplicas.includes(id))]
      const { partitions, addingReplicas } = await assignment(first)
      if (addingReplicas.size === 0 && partitions.get(0)!.length === 2) break
      // Nobody waits for the answer: the one who would give it may be dead.
      void cluster.active?.controller.alterPartition(await isrChange(cluster.brokers.get(leader)!, wanted))
      await cluster.settle()
    }
    await cluster.settle()
    const end = await assignment(first)
    expect({ crashAt, fault, partitions: [...end.partitions], adding: end.addingReplicas.size }).toEqual({
      crashAt,
      fault,
      partitions: [[0, [2, 3]]],
      adding: 0,
    })
    expect(await stateOf(first)).toMatchObject({ leader: 2, inSyncReplicas: expect.arrayContaining([2, 3]) as never })
    expect((await stateOf(first)).inSyncReplicas).toHaveLength(2)
    return writes
  }
  const whole = await run(Infinity, 'answer-lost')
  await cluster.close()
  expect(whole).toBeGreaterThan(8)
  for (let crashAt = 3; crashAt <= whole; crashAt++) {
    for (const fault of ['answer-lost', 'request-lost'] as const) {
      await run(crashAt, fault)
      await cluster.close()
    }
  }
  cluster = new ControllerCluster()
})

test('znodes of old tools: seen, done, taken away, and seen again', async () => {
  const [first] = [await cluster.start(1), await cluster.start(2), await cluster.start(3)]
  await create(first, 't', [[1, 2]])
  const path = '/admin/reassign_partitions'
  for (const replicas of [
    [2, 1],
    [1, 2],
  ]) {
    const asked = { version: 1, partitions: [{ topic: 't', partition: 0, replicas }] }
    await settled(first.client.create(path, Buffer.from(JSON.stringify(asked))))
    expect(await settled(first.client.exists(path))).toBeNull()
    expect((await assignment(first)).partitions.get(0)).toEqual(replicas)
  }
  await settled(cluster.active!.controller.alterReassignments([{ topic: 't', partition: 0, replicas: [2, 1] }]))
  const elections = '/admin/preferred_replica_election'
  const asked = { version: 1, partitions: [{ topic: 't', partition: 0 }] }
  await settled(first.client.create(elections, Buffer.from(JSON.stringify(asked))))
  expect(await settled(first.client.exists(elections))).toBeNull()
  expect((await stateOf(first)).leader).toBe(2)
})

test('znodes of old tools that are there when a controller is elected: done by it', async () => {
  const [first, second] = [await cluster.start(1), await cluster.start(2)]
  await create(first, 't', [[1, 2]])
  await cluster.kill(1)
  const back = await cluster.start(1)
  expect((await stateOf(back)).leader).toBe(2)
  expect(await proposeIsr(second, [2, 1])).toBe('NONE')
  const asked = Buffer.from(JSON.stringify({ version: 1, partitions: [{ topic: 't', partition: 0 }] }))
  const creating = back.client.create('/admin/preferred_replica_election', asked)
  const ending = back.client.delete('/controller', AnyVersion)
  await settled(Promise.all([creating, ending]))
  expect((await stateOf(back)).leader).toBe(1)
  expect(await settled(back.client.exists('/admin/preferred_replica_election'))).toBeNull()
})

test('a znode of an old tool that cannot be read: left alone, and the controller goes on', async () => {
  const first = await cluster.start(1)
  await settled(first.client.create('/admin/reassign_partitions', Buffer.from('{"partitions": 7}')))
  expect(first.controller.isActive).toBe(true)
  await create(first, 't', [[1]])
  expect((await stateOf(first)).leader).toBe(1)
})

test('leader balance: first look after 5 s, then every interval; leaders go back to the preferred brokers', async () => {
  cluster = new ControllerCluster({ leaderBalance: { percentage: 10, checkIntervalMs: 60_000 } })
  const [, second] = [await cluster.start(1), await cluster.start(2)]
  await create(second, 't', [[1, 2]])
  await cluster.kill(1)
  const back = await cluster.start(1)
  expect(await proposeIsr(second, [2, 1])).toBe('NONE')
  expect((await stateOf(back)).leader).toBe(2)
  await cluster.world.time.run(5_000)
  await cluster.settle()
  expect((await stateOf(back)).leader).toBe(1)
  await cluster.kill(1)
  const again = await cluster.start(1)
  // The broker that was controller is another one now: its first look is 5 s after its election, in vain.
  await cluster.world.time.run(6_000)
  expect(await proposeIsr(second, [2, 1])).toBe('NONE')
  await cluster.world.time.run(59_000)
  await cluster.settle()
  expect((await stateOf(again)).leader).toBe(1)
})
