import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import type { AlterPartitionRequest, AlterPartitionResponse } from '@millrace/protocol/messages/56-alter-partition'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import type { IsrAnswer, IsrAttempt, IsrProposal, ProposalVerdict } from '../core/partition/in-sync-set.ts'
import { IsrUpdater } from './isr-updater.ts'
import type { Partition } from './partition.ts'

const topicId = 'abcdefghijklmnopqrstuA'

/** The part of a partition that the updater sees. */
class Proposer {
  readonly topic = 't'
  topicId: string | null = topicId
  readonly partition: number
  verdict: ProposalVerdict = 'committed'
  readonly answers: IsrAnswer[] = []

  constructor(partition: number) {
    this.partition = partition
  }

  readonly attempts: IsrAttempt[] = []

  onIsrAnswer(_: IsrProposal, answer: IsrAnswer, attempt: IsrAttempt): ProposalVerdict {
    this.answers.push(answer)
    this.attempts.push(attempt)
    return this.verdict
  }
}

/** Plays the controller: every request waits until `answer` or `fail` is called. */
class Controller {
  readonly requests: AlterPartitionRequest[] = []
  version = 3
  isReachable = true
  answer: (response: Partial<AlterPartitionResponse>) => void = () => {}
  fail: (error: Error) => void = () => {}

  requestAs(
    _: unknown,
    __: unknown,
    value: (version: number) => never,
    versions: readonly [number, number],
  ): Promise<never> {
    if (!this.isReachable) return Promise.reject(new Error('refused'))
    this.version = Math.min(this.version, versions[1])
    this.requests.push(value(this.version))
    return new Promise((resolve, reject) => {
      this.answer = response => resolve({ throttleTimeMs: 0, errorCode: 0, topics: [], ...response } as never)
      this.fail = reject
    })
  }

  /** Partitions of the request that came last. */
  get asked(): number[] {
    return this.requests.at(-1)?.topics.flatMap(({ partitions }) => partitions.map(each => each.partitionIndex)) ?? []
  }
}

function open(terms = { controllerEpoch: 9 }): {
  time: VirtualTime
  controller: Controller
  updater: IsrUpdater
  propose: (who: Proposer) => void
} {
  const time = new VirtualTime()
  const controller = new Controller()
  const updater = new IsrUpdater({
    controller: controller as never,
    brokerId: 1,
    brokerEpoch: () => 41,
    controllerEpoch: () => terms.controllerEpoch,
    clock: time,
    timers: time,
    logger: silentLogger,
  })
  const proposal: IsrProposal = {
    leaderEpoch: 4,
    partitionEpoch: 7,
    inSyncReplicas: [
      { brokerId: 1, brokerEpoch: 41 },
      { brokerId: 2, brokerEpoch: 42 },
    ],
  }
  return { time, controller, updater, propose: who => updater.propose(who as never as Partition, proposal) }
}

function committed(...partitions: number[]): Partial<AlterPartitionResponse> {
  const row = { errorCode: 0, leaderId: 1, leaderEpoch: 4, isr: [1, 2], leaderRecoveryState: 0, partitionEpoch: 8 }
  return {
    topics: [{ topicName: '', topicId, partitions: partitions.map(partitionIndex => ({ partitionIndex, ...row })) }],
  }
}

describe('in-sync set updates', () => {
  test('proposals of one turn: one request, with broker epochs; answers go to their partitions', async () => {
    const { time, controller, propose } = open()
    const [first, second] = [new Proposer(0), new Proposer(1)]
    propose(first)
    propose(second)
    await time.run()
    expect(controller.requests).toHaveLength(1)
    expect(controller.requests[0]).toMatchObject({ brokerId: 1, brokerEpoch: 41 })
    expect(controller.asked).toEqual([0, 1])
    const [row] = controller.requests[0]!.topics[0]!.partitions
    expect(row).toMatchObject({ leaderEpoch: 4, partitionEpoch: 7, newIsr: [] })
    expect(row!.newIsrWithEpochs).toEqual([
      { brokerId: 1, brokerEpoch: 41 },
      { brokerId: 2, brokerEpoch: 42 },
    ])
    controller.answer(committed(0, 1))
    await time.run()
    const answer = { leaderEpoch: 4, partitionEpoch: 8, inSyncReplicas: [1, 2] }
    expect([first.answers, second.answers]).toEqual([[answer], [answer]])
  })

  test('one request under way: what comes meanwhile goes together after it', async () => {
    const { time, controller, propose } = open()
    propose(new Proposer(0))
    await time.run()
    propose(new Proposer(1))
    await time.run(1000)
    propose(new Proposer(2))
    await time.run(1000)
    expect(controller.requests).toHaveLength(1)
    controller.answer(committed(0))
    await time.run()
    expect(controller.asked).toEqual([1, 2])
  })

  test.each([
    ['no answer', (controller: Controller) => controller.fail(new Error('lost')), 'unknown'],
    [
      'refused as a whole',
      (controller: Controller) => controller.answer({ errorCode: ErrorCode.STALE_BROKER_EPOCH }),
      { errorCode: ErrorCode.STALE_BROKER_EPOCH },
    ],
    ['not in the answer', (controller: Controller) => controller.answer({}), 'unknown'],
  ])('%s: told, and sent again after 50 ms if the leader wants it', async (_, end, told) => {
    const { time, controller, propose } = open()
    const who = new Proposer(0)
    who.verdict = 'retry'
    propose(who)
    await time.run()
    end(controller)
    await time.run(49)
    expect(who.answers).toEqual([told])
    expect(controller.requests).toHaveLength(1)
    await time.run(1)
    expect(controller.requests).toHaveLength(2)
    who.verdict = 'abandoned'
    end(controller)
    await time.run(1000)
    expect(controller.requests).toHaveLength(2)
  })

  test('each attempt is for the controller that is known when it leaves; what became of it is told with that', async () => {
    const terms = { controllerEpoch: 9 }
    const { time, controller, propose } = open(terms)
    const startedMs = time.monotonicMs()
    const who = new Proposer(0)
    who.verdict = 'retry'
    propose(who)
    await time.run()
    terms.controllerEpoch = 10
    controller.fail(new Error('lost'))
    await time.run(50)
    controller.answer(committed(0))
    await time.run()
    expect(controller.requests.map(({ controllerEpoch }) => controllerEpoch)).toEqual([9, 10])
    // The controller knows by it which of them came late.
    expect(controller.requests.map(({ attempt }) => attempt)).toEqual([1, 2])
    expect(who.attempts).toEqual([
      { controllerEpoch: 9, sentAtMs: startedMs },
      { controllerEpoch: 10, sentAtMs: startedMs + 50 },
    ])
  })

  test('the controller is not reached: nothing left, so nothing is in doubt', async () => {
    const { time, controller, propose } = open()
    const who = new Proposer(0)
    who.verdict = 'retry'
    controller.isReachable = false
    propose(who)
    await time.run()
    expect(who.answers).toEqual([{ errorCode: ErrorCode.NOT_CONTROLLER }])
    controller.isReachable = true
    await time.run(50)
    expect(controller.requests).toHaveLength(1)
  })

  test('a topic without id: the version that names topics', async () => {
    const { time, controller, propose } = open()
    const who = new Proposer(0)
    who.topicId = null
    propose(who)
    await time.run()
    expect(controller.version).toBe(1)
    expect(controller.requests[0]!.topics[0]!.partitions[0]!.newIsr).toEqual([1, 2])
  })

  test('closed: nothing more is sent or told', async () => {
    const { time, controller, updater, propose } = open()
    const who = new Proposer(0)
    who.verdict = 'retry'
    propose(who)
    await time.run()
    updater.close()
    controller.fail(new Error('lost'))
    await time.run(1000)
    expect(who.answers).toEqual([])
    expect(controller.requests).toHaveLength(1)
    expect(time.pending).toBe(0)
  })
})
