import { afterEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import type { LeaderAndIsrRequest } from '@millrace/protocol/messages/04-leader-and-isr'
import type { StopReplicaRequest } from '@millrace/protocol/messages/05-stop-replica'
import { silentLogger } from '@millrace/runtime/logger'
import { ControllerCluster, type ControlledBroker } from '@millrace/testing/controller/controller-cluster'
import { AnyVersion } from '@millrace/zookeeper/coordination'
import { TopicChanges } from '../metadata/topic-changes.ts'
import { TopicCreation, type NewTopic } from '../metadata/topic-creation.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'
import { standForElection } from './election.ts'

let cluster = new ControllerCluster()
afterEach(async () => {
  await cluster.close()
  cluster = new ControllerCluster()
})

const settings = {
  get: (name: string) => ({ 'num.partitions': 1, 'default.replication.factor': 1 })[name],
  text: () => null,
} as unknown as BrokerSettings

function creationOn(broker: ControlledBroker): TopicCreation {
  return new TopicCreation({
    coordination: broker.client,
    metadata: broker.metadata,
    settings,
    random: cluster.world.random,
    logger: silentLogger,
  })
}

const changesOn = (broker: ControlledBroker): TopicChanges =>
  new TopicChanges({ coordination: broker.client, metadata: broker.metadata, random: cluster.world.random })

/** Creates with the given replicas and lets the controller see to it. */
async function create(
  broker: ControlledBroker,
  name: string,
  replicas: readonly (readonly number[])[],
  configs: NewTopic['configs'] = new Map(),
): Promise<string> {
  const assignment = new Map(replicas.map((list, partition) => [partition, list]))
  const topicId = await cluster.world.during(creationOn(broker).create({ name, assignment, configs }))
  await cluster.settle()
  return topicId
}

/** All znodes below `path` with a text, a version and an owner: as vectors/znodes.json shows them. */
async function tree(broker: ControlledBroker, path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const visit = async (at: string): Promise<void> => {
    const { data, stat } = await cluster.world.during(broker.client.get(at))
    const kind = stat.ephemeralOwner === 0n ? '' : ' ephemeral'
    found[at] = `v${stat.version}${kind} ${data.toString()}`.trim()
    for (const child of await cluster.world.during(broker.client.children(at))) await visit(`${at}/${child}`)
  }
  await visit(path)
  return found
}

const of = <T>(broker: ControlledBroker, name: string): T[] =>
  broker.received.filter(one => one.name === name).map(one => one.value as T)

describe('tree: as in vectors/znodes.json', () => {
  test('first broker: elected, epoch 1, features enabled (step 2)', async () => {
    const broker = await cluster.start(0)
    expect(await tree(broker, '/controller_epoch')).toEqual({ '/controller_epoch': 'v1 1' })
    expect(await tree(broker, '/feature')).toEqual({ '/feature': 'v0 {"features":{},"version":2,"status":1}' })
    const { '/controller': controller } = await tree(broker, '/controller')
    expect(controller).toMatch(
      /^v0 ephemeral \{"version":2,"brokerid":0,"timestamp":"\d+","kraftControllerEpoch":-1\}$/,
    )
    expect(broker.controller.isActive).toBe(true)
    expect(broker.controller.controllerEpoch).toBe(1)
    expect(broker.received.map(({ name, version }) => `${name} v${version}`)).toEqual(['UpdateMetadataRequest v8'])
  })

  test('topic with one replica: settings, assignment, state (step 6)', async () => {
    const [first] = [await cluster.start(0), await cluster.start(1), await cluster.start(2)]
    const topicId = await create(first, 'solo', [[2]])
    expect(await tree(first, '/brokers/topics')).toEqual({
      '/brokers/topics': 'v0',
      '/brokers/topics/solo': `v0 {"partitions":{"0":[2]},"topic_id":"${topicId}","adding_replicas":{},"removing_replicas":{},"version":3}`,
      '/brokers/topics/solo/partitions': 'v0',
      '/brokers/topics/solo/partitions/0': 'v0',
      '/brokers/topics/solo/partitions/0/state':
        'v0 {"controller_epoch":1,"leader":2,"version":1,"leader_epoch":0,"isr":[2]}',
    })
    expect((await tree(first, '/config/topics'))['/config/topics/solo']).toBe('v0 {"version":1,"config":{}}')
    for (const broker of cluster.brokers.values()) {
      expect(broker.metadata.partition('solo', 0)).toMatchObject({ leader: 2, leaderEpoch: 0, partitionEpoch: 0 })
    }
    const [order] = of<LeaderAndIsrRequest>(cluster.brokers.get(2)!, 'LeaderAndIsrRequest')
    expect(order?.topicStates[0]?.partitionStates[0]).toMatchObject({ leader: 2, isNew: true, isr: [2] })
    expect(of(cluster.brokers.get(1)!, 'LeaderAndIsrRequest')).toEqual([])
  })

  test('more partitions (step 7)', async () => {
    const broker = await cluster.start(0)
    const topicId = await create(broker, 'orders', [[0]])
    await cluster.world.during(changesOn(broker).addPartitions({ topic: 'orders', count: 2, assignments: [[0]] }))
    await cluster.settle()
    const found = await tree(broker, '/brokers/topics/orders')
    expect(found['/brokers/topics/orders']).toBe(
      `v1 {"partitions":{"0":[0],"1":[0]},"topic_id":"${topicId}","adding_replicas":{},"removing_replicas":{},"version":3}`,
    )
    expect(found['/brokers/topics/orders/partitions/1/state']).toBe(
      'v0 {"controller_epoch":1,"leader":0,"version":1,"leader_epoch":0,"isr":[0]}',
    )
    expect(broker.metadata.partitionCount('orders')).toBe(2)
  })

  test('topic deleted: nothing of it is left (step 36)', async () => {
    const broker = await cluster.start(0)
    await create(broker, 'move', [[0], [0]])
    await cluster.world.during(changesOn(broker).markForDeletion('move'))
    await cluster.settle()
    expect(Object.keys(await tree(broker, '/brokers/topics'))).toEqual(['/brokers/topics'])
    expect(Object.keys(await tree(broker, '/config/topics'))).toEqual(['/config/topics'])
    expect(Object.keys(await tree(broker, '/admin/delete_topics'))).toEqual(['/admin/delete_topics'])
    expect(broker.metadata.hasTopic('move')).toBe(false)
    const stops = of<StopReplicaRequest>(broker, 'StopReplicaRequest')
    expect(stops.map(stop => stop.topicStates[0]?.partitionStates[0])).toEqual([
      { partitionIndex: 0, leaderEpoch: -2, deletePartition: false },
      { partitionIndex: 0, leaderEpoch: -2, deletePartition: true },
    ])
  })

  test('the only replica lost, then back: leader -1 with its ISR, then elected (steps 45 and 48)', async () => {
    const first = await cluster.start(1)
    await cluster.start(2)
    await create(first, 'single', [[2]])
    await cluster.kill(2)
    const path = '/brokers/topics/single/partitions/0/state'
    expect((await tree(first, path))[path]).toBe(
      'v1 {"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":1,"isr":[2]}',
    )
    expect(first.metadata.partition('single', 0)).toMatchObject({ leader: -1, offlineReplicas: [2] })
    expect(first.metadata.isAlive(2)).toBe(false)
    const back = await cluster.start(2)
    expect((await tree(first, path))[path]).toBe(
      'v2 {"controller_epoch":1,"leader":2,"version":1,"leader_epoch":2,"isr":[2]}',
    )
    expect(back.metadata.partition('single', 0)?.leader).toBe(2)
  })

  test('producer ids: blocks of 1000 follow each other (step 21)', async () => {
    const first = await cluster.start(1)
    const second = await cluster.start(2)
    const ask = (broker: ControlledBroker, epoch = broker.epoch): Promise<unknown> =>
      cluster.world.during(first.controller.allocateProducerIds(broker.id, epoch))
    expect(await ask(first)).toEqual({ errorCode: 0, firstProducerId: 0, count: 1000 })
    expect(await ask(second)).toEqual({ errorCode: 0, firstProducerId: 1000, count: 1000 })
    const path = '/latest_producer_id_block'
    expect((await tree(first, path))[path]).toBe('v2 {"version":1,"broker":2,"block_start":"1000","block_end":"1999"}')
    expect(await ask(second, second.epoch - 1)).toMatchObject({ errorCode: ErrorCode.STALE_BROKER_EPOCH })
    const unknown = first.controller.allocateProducerIds(9, -1)
    expect(await cluster.world.during(unknown)).toMatchObject({ errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED })
    const wrong = second.controller.allocateProducerIds(2, second.epoch)
    expect(await cluster.world.during(wrong)).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER })
  })
})

describe('election', () => {
  test('three brokers: the first is controller, the others follow it in turn', async () => {
    await cluster.start(0)
    await cluster.start(1)
    const last = await cluster.start(2)
    await create(last, 't', [[2]])
    expect([...cluster.brokers.values()].map(broker => broker.controller.isActive)).toEqual([true, false, false])
    await cluster.kill(0)
    expect(cluster.active).toBeDefined()
    expect(cluster.active?.controller.controllerEpoch).toBe(2)
    await cluster.kill(cluster.active!.id)
    const [remaining] = cluster.brokers.values()
    expect(remaining?.controller.controllerEpoch).toBe(3)
    expect(remaining?.metadata.controllerId).toBe(remaining?.id)
  })

  test('two stand at once: one wins, the other learns it', async () => {
    const clients = [await cluster.world.client(), await cluster.world.client()]
    const terms = await cluster.world.during(
      Promise.all(
        clients.map((coordination, brokerId) => standForElection({ coordination, brokerId, nowMs: () => 1 })),
      ),
    )
    expect(terms.filter(term => term !== null)).toHaveLength(1)
    expect(terms.find(term => term !== null)?.controllerEpoch).toBe(1)
  })

  test('standing again in the same session: the same term', async () => {
    const coordination = await cluster.world.client()
    const candidate = { coordination, brokerId: 1, nowMs: () => 1 }
    const won = await cluster.world.during(standForElection(candidate))
    const again = await cluster.world.during(standForElection(candidate))
    expect(again?.controllerEpoch).toBe(won?.controllerEpoch)
  })

  test('/controller deleted by hand: a new term, and the old one can write no more (step 42)', async () => {
    const coordination = await cluster.world.client()
    const zombie = await cluster.world.during(standForElection({ coordination, brokerId: 9, nowMs: () => 1 }))
    await cluster.world.during(coordination.delete('/controller', AnyVersion))
    const broker = await cluster.start(1)
    expect(broker.controller.controllerEpoch).toBe(2)
    const write = zombie!.write([{ op: 'create', path: '/zombie', data: null }])
    await expect(cluster.world.during(write)).rejects.toMatchObject({ name: 'ControllerMoved' })
    expect(await cluster.world.during(broker.client.exists('/zombie'))).toBeNull()
    expect(zombie!.isOver).toBe(true)
  })

  test('session expired: the controller stops at once, another takes over, and it comes back as a follower', async () => {
    const first = await cluster.start(1)
    const second = await cluster.start(2)
    await create(first, 't', [[1]])
    first.client.expireSession()
    expect(first.controller.isActive).toBe(false)
    await cluster.settle()
    expect(second.controller.isActive).toBe(true)
    expect(first.controller.isActive).toBe(false)
    await cluster.register(first)
    await cluster.settle()
    expect(second.metadata.partition('t', 0)).toMatchObject({ leader: 1, leaderEpoch: 2 })
  })

  test('connection lost and back within the session: still controller, and sees what happened meanwhile', async () => {
    const first = await cluster.start(1)
    const second = await cluster.start(2)
    first.client.disconnect()
    await create(second, 't', [[2]])
    expect(second.metadata.hasTopic('t')).toBe(false)
    first.client.reconnect()
    await cluster.settle()
    expect(first.controller.controllerEpoch).toBe(1)
    expect(second.metadata.partition('t', 0)?.leader).toBe(2)
  })

  test('stopped: resigns, and what it is asked then is NOT_CONTROLLER', async () => {
    const broker = await cluster.start(1)
    await cluster.world.during(broker.controller.stop())
    expect(broker.controller.isActive).toBe(false)
    expect(await broker.controller.allocateProducerIds(1, -1)).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER })
  })
})

describe('channels', () => {
  test('broker cannot be reached: tried until it can, everything arrives in order', async () => {
    const first = await cluster.start(1)
    const second = await cluster.start(2)
    second.isReachable = false
    second.received.length = 0
    for (const name of ['a', 'b', 'c']) await create(first, name, [[2]])
    expect(second.received).toEqual([])
    expect(first.metadata.partition('c', 0)?.leader).toBe(2)
    second.isReachable = true
    await cluster.settle()
    const orders = of<LeaderAndIsrRequest>(second, 'LeaderAndIsrRequest')
    expect(orders.map(order => order.topicStates[0]?.topicName)).toEqual(['a', 'b', 'c'])
    expect(new Set(orders.map(order => order.brokerEpoch))).toEqual(new Set([second.epoch]))
  })

  test('deletion fails on a broker: the topic stays until that broker is back', async () => {
    const broker = await cluster.start(1)
    await create(broker, 't', [[1]])
    broker.deletionError = ErrorCode.KAFKA_STORAGE_ERROR
    await cluster.world.during(changesOn(broker).markForDeletion('t'))
    await cluster.settle()
    expect(Object.keys(await tree(broker, '/brokers/topics'))).toContain('/brokers/topics/t')
    broker.deletionError = ErrorCode.NONE
    // Registered anew by its next session: the controller, elected again, takes the deletion up from the marker.
    broker.client.expireSession()
    await cluster.settle()
    await cluster.register(broker)
    await cluster.settle()
    expect(Object.keys(await tree(broker, '/brokers/topics'))).not.toContain('/brokers/topics/t')
  })

  test('1,000 partitions: created side by side, in few turns', async () => {
    const broker = await cluster.start(1)
    await create(
      broker,
      'wide',
      Array.from({ length: 1000 }, () => [1]),
    )
    expect(broker.metadata.partitions('wide').filter(partition => partition.leader === 1)).toHaveLength(1000)
  })
})

test('topics without an id: get one before anybody hears of them', async () => {
  const broker = await cluster.start(1)
  const old = Buffer.from('{"version":1,"partitions":{"0":[1]}}')
  await cluster.world.during(broker.client.create('/brokers/topics/old', old))
  await cluster.settle()
  const topicId = broker.metadata.topicId('old')
  expect(topicId).toMatch(/^[A-Za-z0-9_-]{22}$/)
  expect((await tree(broker, '/brokers/topics/old'))['/brokers/topics/old']).toContain(`"topic_id":"${topicId}"`)
})

test('marker for a topic that does not exist: removed', async () => {
  const broker = await cluster.start(1)
  await cluster.world.during(changesOn(broker).markForDeletion('nobody'))
  await cluster.settle()
  expect(Object.keys(await tree(broker, '/admin/delete_topics'))).toEqual(['/admin/delete_topics'])
})
