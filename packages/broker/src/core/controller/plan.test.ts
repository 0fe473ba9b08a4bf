import { describe, expect, test } from '@jest/globals'
import { MemoryController, MemoryZnodes, registeredBroker } from '@millrace/testing/controller/memory-controller'
import type { ControlRequest } from './control-request.ts'

/** Brokers 1..count, controller elected, topics made before it looked. */
function cluster(
  count: number,
  options: { deleteTopics?: boolean } = {},
): { znodes: MemoryZnodes; controller: MemoryController } {
  const znodes = new MemoryZnodes()
  znodes.brokers = Array.from({ length: count }, (_, index) => registeredBroker(index + 1, 100 + index))
  const controller = new MemoryController(znodes, options)
  controller.elect()
  controller.takeRequests()
  return { znodes, controller }
}

function lose(znodes: MemoryZnodes, id: number): void {
  znodes.brokers = znodes.brokers.filter(broker => broker.id !== id)
}

function register(znodes: MemoryZnodes, id: number, epoch: number): void {
  lose(znodes, id)
  znodes.brokers = [...znodes.brokers, registeredBroker(id, epoch)]
}

/** `LISR>1 t-0(leader 1, epoch 0, isr 1, new)`: one line per request, as far as tests care. */
function lines(requests: readonly ControlRequest[]): string[] {
  return requests.map(request => {
    switch (request.kind) {
      case 'leader-and-isr':
        return [
          `LISR>${request.brokerId}`,
          ...request.topics.flatMap(topic =>
            topic.partitions.map(({ partition, leadership, isNew }) => {
              const { leader, leaderEpoch, inSyncReplicas } = leadership
              return `${topic.name}-${partition}(leader ${leader}, epoch ${leaderEpoch}, isr ${inSyncReplicas.join(',')}${isNew ? ', new' : ''})`
            }),
          ),
        ].join(' ')
      case 'update-metadata':
        return [
          `UMR>${request.brokerId} [${request.brokers.map(broker => broker.id).join(',')}]`,
          ...request.topics.flatMap(topic =>
            topic.partitions.map(({ partition, leadership, offlineReplicas }) => {
              const offline = offlineReplicas.length > 0 ? `, offline ${offlineReplicas.join(',')}` : ''
              return `${topic.name}-${partition}(leader ${leadership.leader}${offline})`
            }),
          ),
        ].join(' ')
      case 'stop-replica':
        return [
          `SR>${request.brokerId}`,
          ...request.topics.flatMap(topic =>
            topic.partitions.map(
              ({ partition, leaderEpoch, deletePartition }) =>
                `${topic.name}-${partition}(epoch ${leaderEpoch}${deletePartition ? ', delete' : ''})`,
            ),
          ),
        ].join(' ')
    }
  })
}

describe('become controller', () => {
  test('empty cluster: brokers learn of each other before anything else', () => {
    const znodes = new MemoryZnodes()
    znodes.brokers = [registeredBroker(1, 100), registeredBroker(2, 101)]
    const controller = new MemoryController(znodes)
    controller.elect()
    expect(lines(controller.takeRequests())).toEqual(['UMR>1 [1,2]', 'UMR>2 [1,2]'])
  })

  test('a broker was lost meanwhile: its replicas leave the ISR, then its partitions are elected', () => {
    const { znodes, controller } = cluster(3)
    znodes.createTopic('t', [
      [1, 2, 3],
      [2, 3, 1],
    ])
    controller.topicsChanged()
    lose(znodes, 1)
    const next = new MemoryController(znodes, { brokerId: 2 })
    next.elect()
    // As Kafka recorded it (vectors/znodes.json, step 39): shrink, leader -1, then the election: two leader epochs.
    expect(znodes.state('t', 0)).toMatchObject({ leader: 2, leaderEpoch: 2, inSyncReplicas: [2, 3], partitionEpoch: 2 })
    expect(znodes.state('t', 1)).toMatchObject({
      leader: 2,
      leaderEpoch: 1,
      inSyncReplicas: [2, 3],
      controllerEpoch: 2,
    })
    expect(lines(next.takeRequests()).slice(0, 2)).toEqual(['UMR>2 [2,3]', 'UMR>3 [2,3]'])
  })

  test('partition without a state: gets its first leader', () => {
    const { znodes } = cluster(2)
    znodes.createTopic('t', [[2, 1]])
    const next = new MemoryController(znodes)
    next.elect()
    expect(znodes.state('t', 0)).toEqual({
      leader: 2,
      leaderEpoch: 0,
      inSyncReplicas: [2, 1],
      leaderRecoveryState: 0,
      controllerEpoch: 2,
      partitionEpoch: 0,
    })
  })

  test('deletion half done by the last controller: goes on', () => {
    const { znodes, controller } = cluster(1)
    znodes.createTopic('t', [[1]])
    controller.topicsChanged()
    znodes.markers.add('t').add('unknown')
    const next = new MemoryController(znodes)
    next.elect()
    expect(znodes.markers).toEqual(new Set(['t']))
    expect(lines(next.takeRequests()).filter(line => line.startsWith('SR'))).toEqual([
      'SR>1 t-0(epoch -2)',
      'SR>1 t-0(epoch -2, delete)',
    ])
  })
})

describe('topics', () => {
  test('created: state znode, LeaderAndIsr with isNew to the ISR, UpdateMetadata to all', () => {
    const { znodes, controller } = cluster(3)
    znodes.createTopic('t', [[2], [3, 1]])
    controller.topicsChanged()
    expect(lines(controller.takeRequests())).toEqual([
      'LISR>2 t-0(leader 2, epoch 0, isr 2, new)',
      'LISR>3 t-1(leader 3, epoch 0, isr 3,1, new)',
      'LISR>1 t-1(leader 3, epoch 0, isr 3,1, new)',
      'UMR>1 [1,2,3] t-0(leader 2) t-1(leader 3)',
      'UMR>2 [1,2,3] t-0(leader 2) t-1(leader 3)',
      'UMR>3 [1,2,3] t-0(leader 2) t-1(leader 3)',
    ])
  })

  test('created on a lost broker: no leader until it comes', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[7]])
    controller.topicsChanged()
    expect(controller.takeRequests()).toEqual([])
    register(znodes, 7, 200)
    controller.brokersChanged()
    expect(znodes.state('t', 0)).toMatchObject({ leader: 7, leaderEpoch: 0 })
    expect(lines(controller.takeRequests()).slice(0, 4)).toEqual([
      'UMR>1 [1,2,7]',
      'UMR>2 [1,2,7]',
      'UMR>7 [1,2,7]',
      'LISR>7 t-0(leader 7, epoch 0, isr 7, new)',
    ])
  })

  test('state znode exists already: its content is kept and elected, not overwritten', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[1, 2]])
    const left = {
      leader: 2,
      leaderEpoch: 5,
      inSyncReplicas: [2],
      leaderRecoveryState: 0,
      controllerEpoch: 1,
      partitionEpoch: 9,
    } as const
    znodes.topics.get('t')!.states.set(0, left)
    controller.topicsChanged()
    expect(znodes.state('t', 0)).toMatchObject({ leader: 2, leaderEpoch: 6, inSyncReplicas: [2], partitionEpoch: 10 })
  })

  test('partitions added: only they are told', () => {
    const { znodes, controller } = cluster(1)
    znodes.createTopic('t', [[1]])
    controller.topicsChanged()
    controller.takeRequests()
    znodes.addPartition('t', [1])
    controller.topicModified('t')
    expect(lines(controller.takeRequests())).toEqual([
      'LISR>1 t-1(leader 1, epoch 0, isr 1, new)',
      'UMR>1 [1] t-1(leader 1)',
    ])
  })

  test('partitions added while the topic is being deleted: put back', () => {
    const { znodes, controller } = cluster(1)
    znodes.createTopic('t', [[1]])
    controller.topicsChanged()
    znodes.markers.add('t')
    controller.deletionsChanged()
    znodes.addPartition('t', [1])
    controller.topicModified('t')
    expect([...znodes.topics.get('t')!.assignment.keys()]).toEqual([0])
  })
})

describe('deletion', () => {
  test('all replicas online: told, stopped, deleted, then the znodes go', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[1, 2]])
    controller.topicsChanged()
    controller.takeRequests()
    znodes.markers.add('t')
    controller.deletionsChanged()
    expect(lines(controller.takeRequests())).toEqual([
      'UMR>1 [1,2] t-0(leader -2)',
      'UMR>2 [1,2] t-0(leader -2)',
      'SR>1 t-0(epoch -2)',
      'SR>2 t-0(epoch -2)',
      'SR>1 t-0(epoch -2, delete)',
      'SR>2 t-0(epoch -2, delete)',
    ])
    answerDeletion(controller, 1, 100)
    expect(znodes.topics.has('t')).toBe(true)
    answerDeletion(controller, 2, 101)
    expect(znodes.topics.has('t')).toBe(false)
    expect(znodes.markers.size).toBe(0)
    expect(controller.state.topics.size).toBe(0)
  })

  test('a replica is offline: waits, and goes on when its broker is back', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[1, 2]])
    controller.topicsChanged()
    lose(znodes, 2)
    controller.brokersChanged()
    znodes.markers.add('t')
    controller.deletionsChanged()
    answerDeletion(controller, 1, 100)
    expect(znodes.topics.has('t')).toBe(true)
    register(znodes, 2, 200)
    controller.brokersChanged()
    answerDeletion(controller, 1, 100)
    answerDeletion(controller, 2, 200)
    expect(znodes.topics.has('t')).toBe(false)
  })

  test('a broker fails to delete: tried again when it comes back', () => {
    const { znodes, controller } = cluster(1)
    znodes.createTopic('t', [[1]])
    controller.topicsChanged()
    znodes.markers.add('t')
    controller.deletionsChanged()
    answerDeletion(controller, 1, 100, 'other-error')
    expect(znodes.topics.has('t')).toBe(true)
    register(znodes, 1, 200)
    controller.brokersChanged()
    answerDeletion(controller, 1, 200)
    expect(znodes.topics.has('t')).toBe(false)
  })

  test('answer of a former incarnation: ignored', () => {
    const { znodes, controller } = cluster(1)
    znodes.createTopic('t', [[1]])
    controller.topicsChanged()
    znodes.markers.add('t')
    controller.deletionsChanged()
    answerDeletion(controller, 1, 99)
    expect(znodes.topics.has('t')).toBe(true)
  })

  test('unknown topic, or deletion switched off: only the marker goes', () => {
    const { znodes, controller } = cluster(1, { deleteTopics: false })
    znodes.createTopic('t', [[1]])
    controller.topicsChanged()
    znodes.markers.add('t').add('nobody')
    controller.deletionsChanged()
    expect(znodes.markers.size).toBe(0)
    expect(znodes.topics.has('t')).toBe(true)
  })

  function answerDeletion(
    controller: MemoryController,
    brokerId: number,
    brokerEpoch: number,
    outcome: 'done' | 'other-error' = 'done',
  ): void {
    const partitions = [{ topic: 't', partition: 0, outcome }]
    controller.run({ event: 'deletion-answered', brokerId, brokerEpoch, partitions })
  }
})

describe('brokers', () => {
  test('lost with the only replica: leader -1, ISR kept; back: elected again, epochs go on', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[2]])
    controller.topicsChanged()
    controller.takeRequests()
    lose(znodes, 2)
    controller.brokersChanged()
    expect(znodes.state('t', 0)).toMatchObject({ leader: -1, leaderEpoch: 1, inSyncReplicas: [2], partitionEpoch: 1 })
    expect(lines(controller.takeRequests())).toEqual(['UMR>1 [1] t-0(leader -1, offline 2)'])
    register(znodes, 2, 300)
    controller.brokersChanged()
    expect(znodes.state('t', 0)).toMatchObject({ leader: 2, leaderEpoch: 2, inSyncReplicas: [2], partitionEpoch: 2 })
    expect(lines(controller.takeRequests())).toEqual([
      'UMR>1 [1,2]',
      'UMR>2 [1,2] t-0(leader -1)',
      'LISR>2 t-0(leader -1, epoch 1, isr 2)',
      'UMR>1 [1,2] t-0(leader -1)',
      'UMR>2 [1,2] t-0(leader -1)',
      'LISR>2 t-0(leader 2, epoch 2, isr 2)',
      'UMR>1 [1,2] t-0(leader 2)',
      'UMR>2 [1,2] t-0(leader 2)',
    ])
  })

  test('leader lost: first live member of the ISR in assignment order leads', () => {
    const { znodes, controller } = cluster(3)
    znodes.createTopic('t', [[1, 3, 2]])
    controller.topicsChanged()
    controller.takeRequests()
    lose(znodes, 1)
    controller.brokersChanged()
    expect(znodes.state('t', 0)).toMatchObject({ leader: 3, leaderEpoch: 1, inSyncReplicas: [3, 2] })
    expect(lines(controller.takeRequests())).toEqual([
      'LISR>3 t-0(leader 3, epoch 1, isr 3,2)',
      'LISR>2 t-0(leader 3, epoch 1, isr 3,2)',
      'UMR>2 [2,3] t-0(leader 3, offline 1)',
      'UMR>3 [2,3] t-0(leader 3, offline 1)',
      'LISR>3 t-0(leader 3, epoch 1, isr 3,2)',
      'LISR>2 t-0(leader 3, epoch 1, isr 3,2)',
      'UMR>2 [2,3] t-0(leader 3, offline 1)',
      'UMR>3 [2,3] t-0(leader 3, offline 1)',
    ])
  })

  test('restarted between two looks: requests carry the new epoch', () => {
    const { znodes, controller } = cluster(1)
    znodes.createTopic('t', [[1]])
    controller.topicsChanged()
    controller.takeRequests()
    register(znodes, 1, 500)
    controller.brokersChanged()
    expect(new Set(controller.takeRequests().map(request => request.brokerEpoch))).toEqual(new Set([500]))
    expect(znodes.state('t', 0)).toMatchObject({ leader: 1, leaderEpoch: 2 })
  })

  test('without partitions lost: the others still learn who is gone', () => {
    const { znodes, controller } = cluster(3)
    lose(znodes, 3)
    controller.brokersChanged()
    expect(lines(controller.takeRequests())).toEqual(['UMR>1 [1,2]', 'UMR>2 [1,2]'])
  })

  test('new endpoints: everybody learns them', () => {
    const { znodes, controller } = cluster(2)
    const moved = {
      ...znodes.brokers[0]!,
      endpoints: [{ listener: 'CLIENT', host: 'elsewhere', port: 1, securityProtocol: 0 }],
    }
    controller.run({ event: 'broker-modified', broker: moved })
    const requests = controller.takeRequests()
    expect(lines(requests)).toEqual(['UMR>1 [1,2]', 'UMR>2 [1,2]'])
    expect(requests.flatMap(request => (request.kind === 'update-metadata' ? request.brokers : []))).toContainEqual(
      moved,
    )
  })

  test('whole ISR lost, unclean election off, then on: only then an outsider leads, recovering', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[1, 2]])
    controller.topicsChanged()
    lose(znodes, 2)
    controller.brokersChanged()
    lose(znodes, 1)
    controller.brokersChanged()
    register(znodes, 2, 400)
    controller.brokersChanged()
    expect(znodes.state('t', 0)).toMatchObject({ leader: -1, inSyncReplicas: [1] })
    controller.run({ event: 'unclean-election-enabled', topic: 't' })
    expect(znodes.state('t', 0)).toMatchObject({ leader: -1 })
    znodes.uncleanTopics.add('t')
    controller.run({ event: 'unclean-election-enabled', topic: 't' })
    expect(znodes.state('t', 0)).toMatchObject({ leader: 2, inSyncReplicas: [2], leaderRecoveryState: 1 })
  })

  test('a log folder fails: its replicas go offline, and return when it works again', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[1], [1, 2]])
    controller.topicsChanged()
    controller.takeRequests()
    controller.run({ event: 'log-folders-failed', brokerIds: [1] })
    expect(lines(controller.takeRequests())[0]).toBe(
      'LISR>1 t-0(leader 1, epoch 0, isr 1) t-1(leader 1, epoch 0, isr 1,2)',
    )
    const answer = (outcome: 'done' | 'storage-error'): void =>
      controller.run({
        event: 'leader-and-isr-answered',
        brokerId: 1,
        brokerEpoch: 100,
        partitions: [0, 1].map(partition => ({ topic: 't', partition, outcome })),
      })
    answer('storage-error')
    expect(znodes.state('t', 0)).toMatchObject({ leader: -1, inSyncReplicas: [1] })
    expect(znodes.state('t', 1)).toMatchObject({ leader: 2, inSyncReplicas: [2] })
    answer('done')
    expect(znodes.state('t', 0)).toMatchObject({ leader: 1, inSyncReplicas: [1] })
    expect(znodes.state('t', 1)).toMatchObject({ leader: 2, inSyncReplicas: [2] })
  })

  test('state changed behind the cache: read again and tried again', () => {
    const { znodes, controller } = cluster(3)
    znodes.createTopic('t', [[1, 2, 3]])
    controller.topicsChanged()
    const shrunk = { ...znodes.state('t', 0)!, inSyncReplicas: [1, 3], partitionEpoch: 1 }
    znodes.topics.get('t')!.states.set(0, shrunk)
    lose(znodes, 1)
    controller.brokersChanged()
    expect(znodes.state('t', 0)).toMatchObject({ leader: 3, inSyncReplicas: [3], partitionEpoch: 2, leaderEpoch: 1 })
  })

  test('state written by a newer controller: left alone', () => {
    const { znodes, controller } = cluster(2)
    znodes.createTopic('t', [[1, 2]])
    controller.topicsChanged()
    const newer = { ...znodes.state('t', 0)!, controllerEpoch: 9, partitionEpoch: 1 }
    znodes.topics.get('t')!.states.set(0, newer)
    lose(znodes, 1)
    controller.brokersChanged()
    expect(znodes.state('t', 0)).toEqual(newer)
  })
})
