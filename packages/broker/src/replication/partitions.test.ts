import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  leaderAndIsrRequest,
  type LeaderAndIsrPartitionState,
  type LeaderAndIsrRequest,
} from '@millrace/protocol/messages/04-leader-and-isr'
import { updateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import { emptyOf } from '@millrace/protocol/schema'
import { silentLogger } from '@millrace/runtime/logger'
import { batchOf } from '@millrace/testing/world/log-records'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { AnyController, type IsrProposal } from '../core/partition/in-sync-set.ts'
import { MetadataCache } from '../metadata/metadata-cache.ts'
import type { CommitListener } from './commit-waiters.ts'
import type { Partition } from './partition.ts'
import { Partitions } from './partitions.ts'

const topicId = 'abcdefghijklmnopqrstuA'
const lagTimeMaxMs = 10_000

let time: VirtualTime
let logs: MemoryLogs
let metadata: MetadataCache
let partitions: Partitions
let proposals: IsrProposal[]
let followed: Partition[]
let brokerEpoch = 41
let mayLead = true

beforeEach(async () => {
  time = new VirtualTime()
  logs = await MemoryLogs.open({ time })
  metadata = new MetadataCache(time)
  proposals = []
  followed = []
  brokerEpoch = 41
  mayLead = true
  partitions = new Partitions({
    brokerId: 1,
    logs: logs.directories,
    metadata,
    clock: time,
    timers: time,
    logger: silentLogger,
    brokerEpoch: () => brokerEpoch,
    replication: {
      followers: {
        follow: partition => void followed.push(partition),
        unfollow: partition => void (followed = followed.filter(each => each !== partition)),
      },
      proposals: { propose: (_, proposal) => void proposals.push(proposal) },
      proof: { mayLead: () => mayLead },
      lagTimeMaxMs,
      sessionTimeoutMs: 6000,
    },
  })
  partitions.start()
  tell({})
})

afterEach(async () => {
  partitions.stop()
  metadata.close()
  await logs.close()
  expect(time.pending).toBe(0)
})

/** LeaderAndIsr; by default this broker leads, epoch 0, with broker 2 in sync. */
async function apply(
  state: Partial<LeaderAndIsrPartitionState> = {},
  request: Partial<LeaderAndIsrRequest> = {},
): Promise<number> {
  const [row] = await partitions.applyLeaderAndIsr({
    ...emptyOf(leaderAndIsrRequest),
    ...{ controllerId: 1, controllerEpoch: 1, brokerEpoch },
    topicStates: [
      {
        ...{ topicName: 't', topicId },
        partitionStates: [
          {
            ...{ topicName: '', partitionIndex: 0, controllerEpoch: 1, leader: 1, leaderEpoch: 0, isr: [1, 2] },
            ...{ partitionEpoch: 0, replicas: [1, 2], addingReplicas: [], removingReplicas: [], isNew: true },
            leaderRecoveryState: 0,
            ...state,
          },
        ],
      },
    ],
    ...request,
  })
  return row!.errorCode
}

/** UpdateMetadata: brokers 1 and 2 are alive, and what it says of the partition. */
function tell(state: { isr?: number[]; zkVersion?: number }): void {
  const endpoints = [{ port: 9092, host: 'h', listener: 'L', securityProtocol: 0 }]
  metadata.apply({
    ...emptyOf(updateMetadataRequest),
    liveBrokers: [1, 2].map(id => ({ id, v0Host: '', v0Port: 0, endpoints, rack: null })),
    topicStates: [
      {
        ...{ topicName: 't', topicId },
        partitionStates: [
          {
            ...{ topicName: '', partitionIndex: 0, controllerEpoch: 1, leader: 1, leaderEpoch: 0, isr: [1, 2] },
            ...{ zkVersion: 0, replicas: [1, 2], offlineReplicas: [], ...state },
          },
        ],
      },
    ],
  })
}

const hosted = (): Partition => partitions.hosted('t', 0)!

function follow(fetchOffset: number): void {
  const { logEndOffset } = hosted().log
  hosted().onFollowerFetch({ brokerId: 2, brokerEpoch: 42, fetchOffset, logStartOffset: 0 }, logEndOffset)
}

async function produce(acks: 1 | -1 = 1): Promise<{ readonly codes: number[]; readonly outcome: number }> {
  const codes: number[] = []
  const listener: CommitListener = { onCommitted: (_, code) => void codes.push(code) }
  const outcome = hosted().append(batchOf(), { acks, apiVersion: 9, nowMs: time.wallMs() })
  if (outcome.ok) hosted().whenCommitted(outcome.lastOffset + 1, listener, 0)
  await time.run()
  return { codes, outcome: outcome.ok ? 0 : outcome.errorCode }
}

describe('followers of a leader', () => {
  test('replica.lag.time.max.ms: one that fetches no more is proposed out of the set, within one and a half of it', async () => {
    await apply()
    follow(0)
    await produce()
    await time.run(lagTimeMaxMs - 1)
    expect(proposals).toEqual([])
    await time.run(lagTimeMaxMs / 2 + 1)
    expect(proposals).toEqual([
      { leaderEpoch: 0, partitionEpoch: 0, inSyncReplicas: [{ brokerId: 1, brokerEpoch: 41 }] },
    ])
  })

  test('replica.lag.time.max.ms: nothing new to fetch: stays in the set however long', async () => {
    await apply()
    follow(0)
    await time.run(10 * lagTimeMaxMs)
    expect(proposals).toEqual([])
  })

  test('acks=all: done when the follower has asked for what comes after it', async () => {
    await apply()
    const { codes } = await produce(-1)
    expect(codes).toEqual([])
    follow(0)
    expect(codes).toEqual([])
    follow(1)
    expect(codes).toEqual([ErrorCode.NONE])
  })

  test('the answer to a proposal was lost: what the controller tells everybody ends it', async () => {
    await apply()
    follow(0)
    const { codes } = await produce(-1)
    await time.run(2 * lagTimeMaxMs)
    hosted().onIsrAnswer(proposals[0]!, 'unknown', { sentAtMs: 0, controllerEpoch: AnyController })
    expect(codes).toEqual([])
    tell({ isr: [1], zkVersion: 1 })
    expect(hosted().inSyncReplicas).toEqual([1])
    expect(codes).toEqual([ErrorCode.NONE])
  })
})

describe('a follower', () => {
  test('made one, given another epoch, made leader, deleted: followed as it should be', async () => {
    await apply({ leader: 2 })
    expect(followed).toEqual([hosted()])
    await apply({ leader: 2, leaderEpoch: 1 })
    expect(followed).toEqual([hosted()])
    await apply({ leader: 1, leaderEpoch: 2 })
    expect(followed).toEqual([])
    await apply({ leader: 2, leaderEpoch: 3 })
    expect(followed).toHaveLength(1)
    partitions.applyStopReplica([{ topic: 't', partition: 0, leaderEpoch: 3, isDeletion: true }])
    expect(followed).toEqual([])
  })

  test('stopped without being deleted: fetches no more, and keeps its log', async () => {
    await apply({ leader: 2 })
    partitions.applyStopReplica([{ topic: 't', partition: 0, leaderEpoch: 0, isDeletion: false }])
    expect(followed).toEqual([])
    expect(hosted().hasLog).toBe(true)
  })

  test('a late message: changes nothing', async () => {
    await apply({ leader: 2, leaderEpoch: 5, partitionEpoch: 9 })
    await apply({ leader: 1, leaderEpoch: 6, partitionEpoch: 8 })
    expect(hosted().isLeader).toBe(false)
    expect(followed).toHaveLength(1)
  })

  test('its disk fails: fetches no more', async () => {
    await apply({ leader: 2 })
    logs.log('t').goOffline(new Error('disk'))
    await time.run()
    expect(followed).toEqual([])
  })
})

describe('a broker that was taken for dead', () => {
  test('registered anew: leads nothing, waiting producers are told, until the controller speaks to its present life', async () => {
    await apply()
    const { codes } = await produce(-1)
    brokerEpoch = 50
    partitions.onRegistered(50)
    expect(codes).toEqual([ErrorCode.NOT_LEADER_OR_FOLLOWER])
    expect(partitions.leaderOf('t', 0)).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    // Nobody was elected instead: the same epoch is said again.
    expect(await apply()).toBe(ErrorCode.NONE)
    expect(partitions.leaderOf('t', 0)).toBe(hosted())
    expect(hosted().log.logEndOffset).toBe(1)
  })

  test('the controller was faster than the answer to the registration: goes on leading', async () => {
    await apply({}, { brokerEpoch: 50 })
    brokerEpoch = 50
    partitions.onRegistered(50)
    expect(partitions.leaderOf('t', 0)).toBe(hosted())
  })

  test('stepping down: leads nothing, whatever the controller called it', async () => {
    await apply({}, { brokerEpoch: -1 })
    partitions.stepDown()
    expect(partitions.leaderOf('t', 0)).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  })

  test('no proof that it still leads: answers as if it did not', async () => {
    await apply()
    mayLead = false
    expect(partitions.leaderOf('t', 0)).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    expect(partitions.get('t', 0, -1, false)).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    mayLead = true
    expect(partitions.leaderOf('t', 0)).toBe(hosted())
  })
})

describe('LeaderAndIsr of many partitions', () => {
  const count = 60
  const many = (): LeaderAndIsrRequest => ({
    ...emptyOf(leaderAndIsrRequest),
    ...{ controllerId: 1, controllerEpoch: 1, brokerEpoch },
    topicStates: [
      {
        ...{ topicName: 't', topicId },
        partitionStates: Array.from({ length: count }, (_, partitionIndex) => ({
          ...{ topicName: '', partitionIndex, controllerEpoch: 1, leader: 1, leaderEpoch: 0, isr: [1, 2] },
          ...{ partitionEpoch: 0, replicas: [1, 2], addingReplicas: [], removingReplicas: [], isNew: true },
          leaderRecoveryState: 0,
        })),
      },
    ],
  })

  /** A look at the clock takes a millisecond. `between` runs when the first turn is over. */
  async function apply60(between: () => void): Promise<{ inFirstTurn: number; codes: number[] }> {
    const monotonicMs = time.monotonicMs.bind(time)
    let spentMs = 0
    time.monotonicMs = () => monotonicMs() + spentMs++
    const done = partitions.applyLeaderAndIsr(many())
    const inFirstTurn = partitions.all().length
    between()
    const errors = await logs.whileRunning(done)
    time.monotonicMs = monotonicMs
    expect(errors.map(({ partition }) => partition)).toEqual(Array.from({ length: count }, (_, index) => index))
    return { inFirstTurn, codes: errors.map(({ errorCode }) => errorCode) }
  }

  test('over several turns; those that have their role serve meanwhile; one answer each', async () => {
    let led = 0
    partitions.onRolesChanged(() => (led = partitions.ledOf('t').size))
    const { inFirstTurn, codes } = await apply60(() => {
      expect(partitions.leaderOf('t', 0)).toBe(hosted())
      expect(led).toBe(partitions.all().length)
    })
    expect(inFirstTurn).toBeGreaterThan(0)
    expect(inFirstTurn).toBeLessThan(20)
    expect(codes).toEqual(Array.from({ length: count }, () => ErrorCode.NONE))
    expect([partitions.ledOf('t').size, led]).toEqual([count, count])
  })

  test('the same again meanwhile: waits for the first, which is whole before anybody hears so', async () => {
    const monotonicMs = time.monotonicMs.bind(time)
    let spentMs = 0
    time.monotonicMs = () => monotonicMs() + spentMs++
    const order: string[] = []
    const first = partitions.applyLeaderAndIsr(many()).then(() => order.push('first'))
    const codes: number[] = []
    const second = partitions.applyLeaderAndIsr(many()).then(errors => {
      order.push('second')
      codes.push(...errors.map(({ errorCode }) => errorCode))
    })
    await logs.whileRunning(Promise.all([first, second]))
    time.monotonicMs = monotonicMs
    expect(order).toEqual(['first', 'second'])
    expect(new Set(codes)).toEqual(new Set([ErrorCode.STALE_CONTROLLER_EPOCH]))
    expect(partitions.ledOf('t').size).toBe(count)
  })

  test.each([
    [
      'another controller speaks',
      (): void => void partitions.admitController(brokerEpoch, 2),
      'STALE_CONTROLLER_EPOCH',
    ],
    ['this broker registers anew', (): void => void brokerEpoch++, 'STALE_BROKER_EPOCH'],
    ['this broker stops', () => partitions.stop(), 'STALE_BROKER_EPOCH'],
  ] as const)('meanwhile %s: the rest is refused, as if it came later', async (_, between, code) => {
    const { inFirstTurn, codes } = await apply60(between)
    const refused = Array.from({ length: count - inFirstTurn }, () => ErrorCode[code])
    expect(codes).toEqual([...Array.from({ length: inFirstTurn }, () => ErrorCode.NONE), ...refused])
    expect(partitions.all()).toHaveLength(inFirstTurn)
  })
})
