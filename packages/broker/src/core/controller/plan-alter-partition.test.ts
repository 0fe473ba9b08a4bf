import { describe, expect, test } from '@jest/globals'
import { ErrorCode, errorName } from '@millrace/protocol/errors'
import { MemoryController, MemoryZnodes, registeredBroker } from '@millrace/testing/controller/memory-controller'
import type { Leadership } from './leadership.ts'
import { planAlterPartition, type IsrChange, type IsrProposal } from './plan-alter-partition.ts'
import { planControlledShutdown } from './plan-controlled-shutdown.ts'

const topicId = 'topic-id-0000000000001'

/** Brokers 1 to 4 at epochs 101 to 104; t-0 on 1, 2, 3, led by 1 at leader epoch 0, partition epoch 0. */
function cluster(): { znodes: MemoryZnodes; controller: MemoryController } {
  const znodes = new MemoryZnodes()
  znodes.brokers = [1, 2, 3, 4].map(id => registeredBroker(id, 100 + id))
  const controller = new MemoryController(znodes)
  controller.elect()
  znodes.createTopic('t', [[1, 2, 3]])
  controller.topicsChanged()
  controller.takeRequests()
  return { znodes, controller }
}

const members = (...ids: number[]): IsrProposal['inSyncReplicas'] =>
  ids.map(brokerId => ({ brokerId, brokerEpoch: 100 + brokerId }))

const proposal = (changes: Partial<IsrProposal> = {}): IsrProposal => ({
  topic: { id: topicId },
  partition: 0,
  leaderEpoch: 0,
  partitionEpoch: 0,
  inSyncReplicas: members(1, 2),
  leaderRecoveryState: 0,
  ...changes,
})

function propose(
  controller: MemoryController,
  changes: Partial<IsrProposal> = {},
  sender: Partial<Pick<IsrChange, 'brokerId' | 'brokerEpoch'>> = {},
): { code: string; leadership: Leadership | null } {
  const change = { brokerId: 1, brokerEpoch: 101, ...sender, proposals: [proposal(changes)] }
  const answer = controller.carryOut(planAlterPartition(controller.state, change))
  const code = answer.errorCode === ErrorCode.NONE ? answer.proposals[0]!.errorCode : answer.errorCode
  return { code: errorName(code), leadership: answer.proposals[0]?.leadership ?? null }
}

describe('AlterPartition', () => {
  test('shrink: written with the same leader epoch, the next partition epoch, and told to everybody', () => {
    const { znodes, controller } = cluster()
    const { code, leadership } = propose(controller)
    expect(code).toBe('NONE')
    expect(leadership).toEqual({
      leader: 1,
      leaderEpoch: 0,
      inSyncReplicas: [1, 2],
      leaderRecoveryState: 0,
      controllerEpoch: 1,
      partitionEpoch: 1,
    })
    expect(znodes.state('t', 0)).toEqual(leadership)
    const requests = controller.takeRequests()
    expect(requests.map(request => `${request.kind} ${request.brokerId}`)).toEqual(
      [1, 2, 3, 4].map(id => `update-metadata ${id}`),
    )
  })

  const refusals: readonly {
    readonly name: string
    readonly changes?: Partial<IsrProposal>
    readonly sender?: Partial<IsrChange>
    readonly code: string
  }[] = [
    { name: 'sender not registered', sender: { brokerId: 9 }, code: 'STALE_BROKER_EPOCH' },
    { name: 'sender restarted since', sender: { brokerEpoch: 100 }, code: 'STALE_BROKER_EPOCH' },
    { name: 'unknown topic id', changes: { topic: { id: 'nobody' } }, code: 'UNKNOWN_TOPIC_ID' },
    { name: 'unknown topic name', changes: { topic: { name: 'x' } }, code: 'UNKNOWN_TOPIC_OR_PARTITION' },
    { name: 'unknown partition', changes: { partition: 1 }, code: 'UNKNOWN_TOPIC_OR_PARTITION' },
    { name: 'leader epoch of a later controller', changes: { leaderEpoch: 1 }, code: 'NOT_CONTROLLER' },
    { name: 'partition epoch of a later controller', changes: { partitionEpoch: 1 }, code: 'NOT_CONTROLLER' },
    { name: 'leader epoch of the past', changes: { leaderEpoch: -1 }, code: 'FENCED_LEADER_EPOCH' },
    { name: 'partition epoch of the past', changes: { partitionEpoch: -1 }, code: 'INVALID_UPDATE_VERSION' },
    {
      name: 'recovering after recovered',
      changes: { leaderRecoveryState: 1, inSyncReplicas: members(1) },
      code: 'INVALID_REQUEST',
    },
    { name: 'unknown recovery state', changes: { leaderRecoveryState: 2 }, code: 'INVALID_REQUEST' },
    { name: 'leader not in it', changes: { inSyncReplicas: members(2, 3) }, code: 'INVALID_REQUEST' },
    { name: 'empty', changes: { inSyncReplicas: [] }, code: 'INVALID_REQUEST' },
    { name: 'member twice', changes: { inSyncReplicas: members(1, 2, 2) }, code: 'INVALID_REQUEST' },
    { name: 'not asked by the leader', sender: { brokerId: 2, brokerEpoch: 102 }, code: 'INVALID_REQUEST' },
    {
      name: 'member on a broker without a replica',
      changes: { inSyncReplicas: members(1, 4) },
      code: 'INELIGIBLE_REPLICA',
    },
    { name: 'member not registered', changes: { inSyncReplicas: members(1, 9) }, code: 'INELIGIBLE_REPLICA' },
    {
      name: 'member that restarted since it caught up (KIP-903)',
      changes: { inSyncReplicas: [...members(1), { brokerId: 2, brokerEpoch: 99 }] },
      code: 'INELIGIBLE_REPLICA',
    },
    {
      name: 'member whose new incarnation the controller does not know yet',
      changes: { inSyncReplicas: [...members(1), { brokerId: 2, brokerEpoch: 200 }] },
      code: 'INELIGIBLE_REPLICA',
    },
  ]
  for (const { name, changes, sender, code } of refusals) {
    test(`${name}: ${code}, nothing written`, () => {
      const { znodes, controller } = cluster()
      const before = znodes.state('t', 0)
      expect(propose(controller, changes, sender)).toEqual({ code, leadership: null })
      expect(znodes.state('t', 0)).toBe(before)
    })
  }

  test('member without a broker epoch (-1, as from Kafka): taken', () => {
    const { controller } = cluster()
    expect(propose(controller, { inSyncReplicas: [1, 2].map(brokerId => ({ brokerId, brokerEpoch: -1 })) }).code).toBe(
      'NONE',
    )
  })

  test('the same asked again, because the answer was lost: what is stored, nothing written', () => {
    const { controller } = cluster()
    const first = propose(controller)
    const writes = controller.writes.length
    expect(propose(controller)).toEqual(first)
    expect(controller.writes.length).toBe(writes)
  })

  test('member in controlled shutdown: INELIGIBLE_REPLICA (KIP-841)', () => {
    const { controller } = cluster()
    controller.carryOut(planControlledShutdown(controller.state, 3, 103))
    const stored = controller.state.partition('t', 0)!.leadership!
    const { leaderEpoch, partitionEpoch } = stored
    expect(stored.inSyncReplicas).toEqual([1, 2])
    const changes = { leaderEpoch, partitionEpoch, inSyncReplicas: members(1, 2, 3) }
    expect(propose(controller, changes).code).toBe('INELIGIBLE_REPLICA')
  })

  test('member on a failed folder: INELIGIBLE_REPLICA', () => {
    const { controller } = cluster()
    const partitions = [{ topic: 't', partition: 0, outcome: 'storage-error' as const }]
    controller.run({ event: 'leader-and-isr-answered', brokerId: 2, brokerEpoch: 102, partitions })
    const { leaderEpoch, partitionEpoch, inSyncReplicas } = controller.state.partition('t', 0)!.leadership!
    expect(inSyncReplicas).toEqual([1, 3])
    const changes = { leaderEpoch, partitionEpoch, inSyncReplicas: members(1, 3, 2) }
    expect(propose(controller, changes).code).toBe('INELIGIBLE_REPLICA')
  })

  test('znode written past the controller: INVALID_UPDATE_VERSION, and the next leader has the right epochs', () => {
    const { znodes, controller } = cluster()
    const stored = znodes.state('t', 0)!
    znodes.topics.get('t')!.states.set(0, { ...stored, inSyncReplicas: [1, 3], partitionEpoch: 5 })
    expect(propose(controller).code).toBe('INVALID_UPDATE_VERSION')
    expect(controller.state.partition('t', 0)!.leadership).toMatchObject({ inSyncReplicas: [1, 3], partitionEpoch: 5 })
  })

  test('several partitions: each has its own answer, in the order of the request', () => {
    const { znodes, controller } = cluster()
    znodes.createTopic('u', [
      [1, 2],
      [2, 1],
    ])
    controller.topicsChanged()
    const proposals = [
      proposal({ topic: { name: 'u' }, partition: 1 }),
      proposal({ topic: { name: 'u' }, partition: 0, inSyncReplicas: members(1) }),
      proposal({ partition: 7 }),
      proposal(),
    ]
    const answer = controller.carryOut(
      planAlterPartition(controller.state, { brokerId: 1, brokerEpoch: 101, proposals }),
    )
    expect(answer.proposals.map(each => errorName(each.errorCode))).toEqual([
      'INVALID_REQUEST',
      'NONE',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'NONE',
    ])
  })

  test('leader elected uncleanly: recovered with a larger ISR', () => {
    const { znodes, controller } = cluster()
    znodes.createTopic('u', [[4, 1]])
    controller.topicsChanged()
    for (const gone of [1, 4]) {
      znodes.brokers = znodes.brokers.filter(broker => broker.id !== gone)
      controller.brokersChanged()
    }
    znodes.uncleanTopics.add('u')
    znodes.brokers = [...znodes.brokers, registeredBroker(1, 101)]
    controller.brokersChanged()
    const { leaderEpoch, partitionEpoch, ...stored } = znodes.state('u', 0)!
    expect(stored).toMatchObject({ leader: 1, inSyncReplicas: [1], leaderRecoveryState: 1 })
    znodes.brokers = [...znodes.brokers, registeredBroker(4, 104)]
    controller.brokersChanged()
    const changes = { topic: { name: 'u' }, leaderEpoch, partitionEpoch, inSyncReplicas: members(1, 4) }
    expect(propose(controller, { ...changes, leaderRecoveryState: 1 }).code).toBe('INVALID_REQUEST')
    expect(propose(controller, changes).leadership).toMatchObject({ leaderRecoveryState: 0, inSyncReplicas: [1, 4] })
  })
})
