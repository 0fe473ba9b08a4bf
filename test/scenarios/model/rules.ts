import type { LeaderChanges } from '@millrace/testing/replication/leader-start'
import { strict as assert } from 'node:assert'
import { ErrorCode } from '@millrace/protocol/errors'
import type { IsrAnswer } from '@millrace/broker/core/partition/in-sync-set'
import type { FollowerStep } from '@millrace/broker/core/partition/partition-follower'
import { answerAlterPartition } from './controller-answer.ts'
import type { Machines } from './machines.ts'
import { Model } from './model.ts'
import { checkPositions } from './position-rule.ts'
import { searchBounds } from './setups.ts'
import { anyController, followerOf, ids, leaderOf, member, nothing, sent, stored } from './staged-machines.ts'
import { ModelLog } from './world.ts'

/** What one machine must do in one situation: the lines of the reference that no search over three replicas can see. */
export const rules: Readonly<Record<string, (machines: Machines) => void>> = {
  'acks=all: refused below min.insync.replicas, which counts at most the replicas': machines => {
    const { NONE, NOT_ENOUGH_REPLICAS } = ErrorCode
    assert.equal(
      leaderOf(machines, { inSyncReplicas: [1], minInSyncReplicas: () => 2 }).leader.admission(),
      NOT_ENOUGH_REPLICAS,
    )
    assert.equal(leaderOf(machines, { inSyncReplicas: [1, 2], minInSyncReplicas: () => 2 }).leader.admission(), NONE)
    assert.equal(leaderOf(machines, { inSyncReplicas: [1, 2, 3], minInSyncReplicas: () => 9 }).leader.admission(), NONE)
  },
  'acks=all: committed by fewer than min.insync.replicas: AFTER_APPEND; the maximal set counts': machines => {
    const { leader, fetch, proposals } = leaderOf(machines, { minInSyncReplicas: () => 2, inSyncReplicas: [1, 2] })
    leader.onAppended(5, 0)
    fetch(2, 5, 0)
    assert.equal(leader.completion(), ErrorCode.NONE)
    leader.onAppended(6, 1)
    leader.onTick(500)
    assert.equal(leader.completion(), ErrorCode.NONE, 'a shrink that is not confirmed')
    leader.onIsrAnswer(proposals[0]!, stored([1], 10), 501, sent(501, anyController))
    assert.equal(leader.completion(), ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
    assert.equal(leader.highWatermark, 5, 'too few replicas commit nothing')
  },
  'expansion: only a live broker that says which life it is in': machines => {
    const expands = (changes: LeaderChanges, brokerEpoch: number): boolean => {
      const { fetch, proposals } = leaderOf(machines, { inSyncReplicas: [1, 2], ...changes })
      fetch(3, 0, 0, brokerEpoch)
      return proposals.length === 1
    }
    assert.equal(expands({}, 30), true)
    assert.equal(expands({ isBrokerAlive: id => id !== 3 }, 30), false)
    assert.equal(expands({}, -1), false)
    assert.equal(expands({ requiresBrokerEpoch: false }, -1), true)
  },
  'expansion: proposed with the broker epochs that fetched; one change at a time': machines => {
    const { leader, fetch, proposals } = leaderOf(machines, { inSyncReplicas: [1] })
    fetch(3, 0, 0)
    fetch(2, 0, 0)
    assert.deepEqual(proposals, [{ leaderEpoch: 5, partitionEpoch: 9, inSyncReplicas: [member(1), member(3)] }])
    assert.deepEqual(
      [leader.isrState, leader.inSyncReplicas, leader.maximalInSyncReplicas],
      ['pending-expand', [1], [1, 3]],
    )
    leader.onIsrAnswer(proposals[0]!, stored([1, 3], 10), 1, sent(1, anyController))
    assert.deepEqual([leader.isrState, leader.inSyncReplicas, leader.partitionEpoch], ['committed', [1, 3], 10])
    fetch(2, 0, 2)
    assert.equal(proposals[1]!.partitionEpoch, 10)
  },
  'expansion: not below the high watermark, not below the start of the epoch': machines => {
    const { leader, fetch, proposals } = leaderOf(machines, {
      inSyncReplicas: [1, 2],
      highWatermark: 4,
      logEndOffset: 10,
    })
    leader.onAppended(12, 0)
    fetch(3, 4, 0)
    fetch(3, 9, 0)
    assert.equal(proposals.length, 0, 'below the start of the epoch')
    fetch(2, 11, 0)
    assert.equal(leader.highWatermark, 11)
    fetch(3, 10, 0)
    assert.equal(proposals.length, 0, 'below the high watermark')
    fetch(3, 11, 0)
    assert.equal(proposals.length, 1)
  },
  'fetch of an earlier life of a broker: changes nothing': machines => {
    const { leader, fetch, notes, proposals } = leaderOf(machines, { inSyncReplicas: [1], isBrokerAlive: () => false })
    leader.onAppended(10, 0)
    fetch(2, 3, 0, 8)
    fetch(2, 10, 1, 7)
    assert.deepEqual(notes, ['noted', 'stale'])
    assert.deepEqual([leader.follower(2)!.logEndOffset, proposals.length], [3, 0])
    assert.equal(
      leader.onFollowerFetch({ brokerId: 7, brokerEpoch: 1, fetchOffset: 0, logStartOffset: 0 }, 10, 1),
      'not-a-replica',
    )
  },
  'shrink: behind, and not caught up for longer than the lag time; an idle partition stays': machines => {
    const { leader, fetch, proposals } = leaderOf(machines)
    fetch(2, 0, 10)
    fetch(3, 0, 10)
    leader.onTick(1e9)
    assert.equal(proposals.length, 0, 'idle')
    leader.onAppended(5, 1e9)
    fetch(2, 5, 1e9)
    fetch(3, 0, 1e9)
    leader.onTick(1e9 + 1)
    assert.deepEqual(ids(proposals[0]!), [1, 2], '3 fetched, but what it lacked at the fetch before')
    const other = leaderOf(machines)
    other.leader.onAppended(5, 0)
    other.leader.onTick(100)
    assert.equal(other.proposals.length, 0, 'caught up when elected: within the lag time')
    other.leader.onTick(101)
    assert.deepEqual(ids(other.proposals[0]!), [1], 'the leader stays')
  },
  'shrink: caught up is judged against the end at the fetch before': machines => {
    const { leader, fetch, proposals } = leaderOf(machines, { replicas: [1, 2], inSyncReplicas: [1, 2] })
    for (let turn = 1; turn <= 10; turn++) {
      leader.onAppended(turn * 10, turn * 50)
      fetch(2, (turn - 1) * 10, turn * 50)
      leader.onTick(turn * 50)
    }
    assert.equal(proposals.length, 0, 'one fetch behind under steady load')
    leader.onTick(500 + 60)
    assert.equal(proposals.length, 1)
  },
  'high watermark: waits for a replica that is about to join, not for one that stopped': machines => {
    const { leader, fetch, advances } = leaderOf(machines, {
      inSyncReplicas: [1, 2],
      isBrokerAlive: id => id === 3,
      requiresBrokerEpoch: true,
    })
    fetch(3, 0, 0, -1)
    leader.onAppended(5, 10)
    fetch(2, 5, 10)
    assert.deepEqual(advances, [], 'replica 3 was caught up at 0')
    leader.onTick(102)
    assert.deepEqual(advances, [5])
  },
  'high watermark: a proposed member counts at once, a leaving one until it is confirmed': machines => {
    const joining = leaderOf(machines, { inSyncReplicas: [1, 2] })
    joining.fetch(3, 0, 0)
    joining.leader.onAppended(5, 1e6)
    joining.fetch(2, 5, 1e6)
    assert.deepEqual(joining.advances, [])
    const leaving = leaderOf(machines)
    leaving.leader.onAppended(5, 0)
    leaving.fetch(2, 5, 500)
    leaving.leader.onTick(500)
    assert.deepEqual([leaving.leader.isrState, leaving.advances], ['pending-shrink', []])
    leaving.leader.onIsrAnswer(leaving.proposals[0]!, stored([1, 2], 10), 501, sent(501, anyController))
    assert.deepEqual(leaving.advances, [5])
  },
  'AlterPartition: what each answer does': machines => {
    const after = (...answers: readonly IsrAnswer[]): unknown[] => {
      const { leader, fetch, proposals } = leaderOf(machines, { inSyncReplicas: [1, 2] })
      fetch(3, 0, 0)
      const verdicts = answers.map((answer, index) =>
        leader.onIsrAnswer(proposals[0]!, answer, index, sent(index, anyController)),
      )
      return [...verdicts, leader.inSyncReplicas.length, leader.maximalInSyncReplicas.length]
    }
    assert.deepEqual(after(stored([1, 2, 3], 10)), ['committed', 3, 3])
    assert.deepEqual(after(stored([1, 2, 3], 9)), ['committed', 3, 3])
    assert.deepEqual(after(stored([1, 2, 3], 8)), ['abandoned', 2, 3])
    assert.deepEqual(after({ ...stored([1, 2, 3], 10), leaderEpoch: 6 }), ['abandoned', 2, 3])
    assert.deepEqual(after('unknown'), ['retry', 2, 3])
    for (const code of ['OPERATION_NOT_ATTEMPTED', 'INELIGIBLE_REPLICA'] as const) {
      assert.deepEqual(after({ errorCode: ErrorCode[code] }), ['reverted', 2, 2])
      assert.deepEqual(
        after('unknown', { errorCode: ErrorCode[code] }),
        ['retry', 'retry', 2, 3],
        'an attempt is still out',
      )
    }
    for (const code of [
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_ID',
      'FENCED_LEADER_EPOCH',
      'INVALID_UPDATE_VERSION',
      'INVALID_REQUEST',
      'NEW_LEADER_ELECTED',
    ] as const) {
      assert.deepEqual(after({ errorCode: ErrorCode[code] }), ['abandoned', 2, 3])
    }
    const refused = { errorCode: ErrorCode.INELIGIBLE_REPLICA }
    for (const code of ['NOT_CONTROLLER', 'STALE_BROKER_EPOCH'] as const) {
      assert.deepEqual(after({ errorCode: ErrorCode[code] }), ['retry', 2, 3])
      assert.deepEqual(after({ errorCode: ErrorCode[code] }, refused), ['retry', 'reverted', 2, 2])
    }
    for (const code of ['REQUEST_TIMED_OUT', 'UNKNOWN_SERVER_ERROR'] as const) {
      assert.deepEqual(
        after({ errorCode: ErrorCode[code] }, refused),
        ['retry', 'retry', 2, 3],
        'it may have been written',
      )
    }
    assert.deepEqual(after({ errorCode: ErrorCode.INELIGIBLE_REPLICA }, stored([1, 2, 3], 10)), [
      'reverted',
      'ignored',
      2,
      2,
    ])
  },
  'AlterPartition: refused after its lost attempt has died: reverted; read back: only what is newer': machines => {
    const { leader, fetch, proposals } = leaderOf(machines, { inSyncReplicas: [1, 2] })
    fetch(3, 0, 0)
    leader.onIsrAnswer(proposals[0]!, 'unknown', 100, sent(100, anyController))
    assert.equal(leader.onTruth(stored([1, 2], 9), 101), 'ignored', 'the request may still be waiting')
    assert.equal(leader.onTruth({ ...stored([1, 2], 11), leaderEpoch: 6 }, 101), 'ignored')
    assert.equal(leader.isrState, 'pending-expand')
    assert.equal(leader.onTruth(stored([1, 2, 3], 10), 102), 'committed')
    assert.deepEqual([leader.inSyncReplicas, leader.isrState], [[1, 2, 3], 'committed'])
    const other = leaderOf(machines, { inSyncReplicas: [1, 2] })
    other.fetch(3, 0, 0)
    other.leader.onIsrAnswer(other.proposals[0]!, 'unknown', 100, sent(100, anyController))
    const refused = { errorCode: ErrorCode.INELIGIBLE_REPLICA }
    assert.equal(other.leader.onIsrAnswer(other.proposals[0]!, refused, 1099, sent(1099, anyController)), 'retry')
    assert.equal(other.leader.onIsrAnswer(other.proposals[0]!, refused, 1100, sent(1100, anyController)), 'reverted')
  },
  'AlterPartition: lost, then refused: reverted at once by a controller of no older term than all that it was for, else not before it has died':
    machines => {
      const refused = { errorCode: ErrorCode.INELIGIBLE_REPLICA }
      /** `lost`: for whom the attempts were that got no answer; `by`: who refuses. */
      const verdict = (lost: readonly number[], by: number, nowMs = 101, sentAtMs = nowMs): unknown => {
        const { leader, fetch, proposals } = leaderOf(machines, { inSyncReplicas: [1, 2] })
        fetch(3, 0, 0)
        for (const controllerEpoch of lost)
          leader.onIsrAnswer(proposals[0]!, 'unknown', 100, sent(100, controllerEpoch))
        return leader.onIsrAnswer(proposals[0]!, refused, nowMs, sent(sentAtMs, by))
      }
      assert.equal(verdict([7], 8), 'reverted')
      assert.equal(verdict([6, 7], 8), 'reverted')
      assert.equal(verdict([7], 7), 'reverted', 'the same controller has looked at a later attempt')
      assert.equal(verdict([8, 7], 7), 'retry', 'the newest counts')
      assert.equal(verdict([anyController], 8), 'retry', 'it may be written by any')
      assert.equal(verdict([7, anyController, 7], 8), 'retry')
      assert.equal(verdict([7], anyController), 'retry', 'nobody knows who refuses')
      assert.equal(verdict([anyController], 8, 1100), 'reverted', 'it has died')
      assert.equal(
        verdict([anyController], 8, 1100, 1099),
        'retry',
        'it may have been written after this one was refused',
      )
    },
  'AlterPartition: for another term: NOT_CONTROLLER, whatever it asks for': ({
    ControllerState,
    planAlterPartition,
  }) => {
    const of = (controllerEpoch?: number): number => {
      const settings = { brokerId: 1, controllerEpoch: 7, interBrokerListener: 'PLAINTEXT', deleteTopics: true }
      const state = new ControllerState(settings)
      state.addBroker({ id: 1, epoch: 10, rack: null, endpoints: [] })
      const epoch = controllerEpoch === undefined ? {} : { controllerEpoch }
      const step = planAlterPartition(state, { brokerId: 1, brokerEpoch: 10, ...epoch, proposals: [] }).next()
      return step.done === true ? step.value.errorCode : ErrorCode.NONE
    }
    assert.deepEqual([of(6), of(7), of(8)], [ErrorCode.NOT_CONTROLLER, ErrorCode.NONE, ErrorCode.NOT_CONTROLLER])
    assert.deepEqual([of(), of(anyController)], [ErrorCode.NONE, ErrorCode.NONE])
  },
  'AlterPartition: that a later one of the same broker epoch has overtaken: NOT_CONTROLLER, nothing is looked at': ({
    ControllerState,
    planAlterPartition,
  }) => {
    const settings = { brokerId: 1, controllerEpoch: 7, interBrokerListener: 'PLAINTEXT', deleteTopics: true }
    const state = new ControllerState(settings)
    const register = (id: number, epoch: number): void => state.addBroker({ id, epoch, rack: null, endpoints: [] })
    register(1, 10)
    register(2, 20)
    const of = (brokerId: number, brokerEpoch: number, attempt?: number, controllerEpoch = 7): number => {
      const count = attempt === undefined ? {} : { attempt }
      const step = planAlterPartition(state, { brokerId, brokerEpoch, controllerEpoch, ...count, proposals: [] }).next()
      return step.done === true ? step.value.errorCode : ErrorCode.NONE
    }
    const { NONE, NOT_CONTROLLER, STALE_BROKER_EPOCH } = ErrorCode
    assert.deepEqual([of(1, 10, 5), of(1, 10, 4), of(1, 10, 5), of(1, 10, 6)], [NONE, NOT_CONTROLLER, NONE, NONE])
    assert.deepEqual([of(1, 10), of(1, 10, -1), of(1, 10, 5)], [NONE, NONE, NOT_CONTROLLER], 'who does not count')
    assert.deepEqual(
      [of(2, 20, 1), of(1, 10, 7, 6), of(1, 10, 6)],
      [NONE, NOT_CONTROLLER, NONE],
      'turned away: not seen',
    )
    register(1, 11)
    assert.deepEqual([of(1, 10, 9), of(1, 11, 1), of(1, 11, 2)], [STALE_BROKER_EPOCH, NONE, NONE], 'a new life')
  },
  'AlterPartition: a late answer to a proposal that is over: ignored, and the next one stays open': machines => {
    const { leader, fetch, proposals } = leaderOf(machines, { inSyncReplicas: [1, 2] })
    fetch(3, 0, 0)
    leader.onIsrAnswer(proposals[0]!, { errorCode: ErrorCode.INELIGIBLE_REPLICA }, 1, sent(1, anyController))
    fetch(3, 0, 2, 31)
    assert.equal(
      leader.onIsrAnswer(proposals[0]!, { errorCode: ErrorCode.INELIGIBLE_REPLICA }, 3, sent(3, anyController)),
      'ignored',
    )
    assert.equal(leader.onIsrAnswer(proposals[0]!, stored([1, 2, 3], 10), 3, sent(3, anyController)), 'ignored')
    assert.deepEqual([leader.isrState, leader.maximalInSyncReplicas], ['pending-expand', [1, 2, 3]])
  },
  'a new leader: begins its epoch before anything is written, and its end may not be trusted before it is reached':
    machines => {
      const { began, leader, fetch } = leaderOf(machines, { highWatermark: 4, logEndOffset: 10 })
      assert.deepEqual(began, [[5, 10]])
      assert.equal(leader.isHighWatermarkCurrent, false)
      fetch(2, 10, 0)
      fetch(3, 10, 0)
      assert.equal(leader.isHighWatermarkCurrent, true)
    },
  'low watermark and read candidates: live replicas; in-sync ones that hold the offset': machines => {
    const { leader } = leaderOf(machines, { inSyncReplicas: [1, 2], logEndOffset: 20, highWatermark: 20 })
    assert.equal(
      leader.lowWatermark(7, () => true),
      -1,
      'replica 3 never fetched',
    )
    const note = (brokerId: number, fetchOffset: number, logStartOffset: number): unknown =>
      leader.onFollowerFetch({ brokerId, brokerEpoch: 1, fetchOffset, logStartOffset }, 20, 5)
    note(2, 20, 5)
    note(3, 15, 3)
    assert.equal(
      leader.lowWatermark(7, () => true),
      3,
    )
    assert.equal(
      leader.lowWatermark(7, id => id === 2),
      5,
    )
    assert.deepEqual(leader.readCandidates(18, 9), [{ brokerId: 2, logEndOffset: 20, caughtUpForMs: 4 }])
    assert.deepEqual(leader.readCandidates(4, 9), [])
    assert.deepEqual([leader.lastInSyncFetchMs, leader.isInSync(3)], [5, false])
  },
  'preferred read replica: rack of the consumer, then most records, then freshest': ({ preferredReadReplica }) => {
    const rackOf = (id: number): string | null => ['a', 'b', 'b', 'b', null][id] ?? null
    const of = (clientRack: string, ...rows: readonly [number, number, number][]): number =>
      preferredReadReplica({
        leaderId: 0,
        clientRack,
        rackOf,
        candidates: rows.map(([brokerId, logEndOffset, caughtUpForMs]) => ({ brokerId, logEndOffset, caughtUpForMs })),
      })
    assert.equal(of('', [1, 9, 0]), 0)
    assert.equal(of('a', [1, 9, 0]), 0)
    assert.equal(of('c', [1, 9, 0]), 0)
    assert.equal(of('b', [1, 8, 0], [2, 9, 5], [3, 9, 4], [4, 99, 0]), 3)
    assert.equal(of('b', [3, 9, 4], [2, 9, 5]), 3)
  },
  'leader epoch of a request: older is fenced, newer is unknown, none is no check': ({ checkLeaderEpoch }) => {
    const of = (requestEpoch: number, isLeader = true, mustLead = true): ErrorCode =>
      checkLeaderEpoch({ requestEpoch, localEpoch: 5, isLeader, mustLead })
    assert.deepEqual(
      [of(4), of(5), of(6), of(-1)],
      [ErrorCode.FENCED_LEADER_EPOCH, 0, ErrorCode.UNKNOWN_LEADER_EPOCH, 0],
    )
    assert.deepEqual(
      [of(5, false), of(5, false, false), of(4, false)],
      [ErrorCode.NOT_LEADER_OR_FOLLOWER, 0, ErrorCode.FENCED_LEADER_EPOCH],
    )
  },
  'a controller of the past, an order to a former life, a late StopReplica: refused': ({
    checkControllerRequest,
    judgeStopReplica,
  }) => {
    const of = (requestBrokerEpoch: number, requestControllerEpoch: number): ErrorCode =>
      checkControllerRequest({ requestBrokerEpoch, brokerEpoch: 50, requestControllerEpoch, highestControllerEpoch: 7 })
    assert.deepEqual(
      [of(50, 7), of(-1, 8), of(49, 7), of(50, 6)],
      [0, 0, ErrorCode.STALE_BROKER_EPOCH, ErrorCode.STALE_CONTROLLER_EPOCH],
    )
    const stop = (requestLeaderEpoch: number): ErrorCode =>
      judgeStopReplica({ isOffline: false, isHosted: true, currentLeaderEpoch: 5, requestLeaderEpoch })
    assert.deepEqual([stop(-2), stop(-1), stop(5), stop(6), stop(4)], [0, 0, 0, 0, ErrorCode.FENCED_LEADER_EPOCH])
  },
  'LeaderAndIsr: only a newer leader epoch is followed': ({ judgeLeaderState, ZERO_TOPIC_ID }) => {
    const of = (requestLeaderEpoch: number, isReplica = true): unknown =>
      judgeLeaderState({
        isOffline: false,
        localTopicId: null,
        hasLog: true,
        requestTopicId: ZERO_TOPIC_ID,
        currentLeaderEpoch: 5,
        requestLeaderEpoch,
        isReplica,
      })
    const { STALE_CONTROLLER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION } = ErrorCode
    assert.deepEqual(
      [of(6), of(5), of(4), of(6, false)],
      ['apply', STALE_CONTROLLER_EPOCH, STALE_CONTROLLER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION],
    )
  },
  'the controller: fences an older leader epoch, refuses an older partition epoch, answers a repeated one':
    machines => {
      const world = new Model(machines, { ...searchBounds.atomic!, replicas: 3 }).initial()
      const znode = { leader: 0, leaderEpoch: 4, inSyncReplicas: [0, 1], partitionEpoch: 9 }
      const of = (
        leaderEpoch: number,
        partitionEpoch: number,
        members: readonly number[],
        brokerEpoch = 0,
      ): unknown => {
        const inSyncReplicas = members.map(brokerId => ({ brokerId, brokerEpoch }))
        const { answer, znode: written } = answerAlterPartition(
          machines,
          { ...world, znode },
          0,
          { leaderEpoch, partitionEpoch, inSyncReplicas },
          { controllerEpoch: anyController, number: -1 },
        )
        return typeof answer !== 'string' && 'errorCode' in answer
          ? answer.errorCode
          : (written?.inSyncReplicas ?? 'as it is')
      }
      assert.deepEqual(of(4, 9, [0, 1, 2]), [0, 1, 2])
      assert.equal(of(4, 8, [0, 1]), 'as it is')
      assert.equal(of(4, 8, [0, 1, 2]), ErrorCode.INVALID_UPDATE_VERSION)
      assert.equal(of(3, 9, [0, 1, 2]), ErrorCode.FENCED_LEADER_EPOCH)
      assert.equal(of(5, 9, [0, 1, 2]), ErrorCode.NOT_CONTROLLER)
      assert.equal(of(4, 9, [0, 1, 2], 7), ErrorCode.INELIGIBLE_REPLICA)
      assert.deepEqual(of(4, 9, [0, 1, 2], -1), [0, 1, 2])
    },
  'OffsetForLeaderEpoch and fetch positions: as counted out by hand (seeds 1-300)': machines => {
    for (let seed = 1; seed <= 300; seed++) checkPositions(machines, seed)
  },
  'a leader never answers from the past: pauses of two thirds of the session': ({ leaderRight, EventLoopGap }) => {
    const of = (changes: object): string =>
      leaderRight({
        nowMs: 20_000,
        sessionTimeoutMs: 9000,
        unconfirmedGapMs: 0,
        isZooKeeperReachable: true,
        isOnlyReplica: false,
        lastInSyncFetchMs: -Infinity,
        ...changes,
      })
    assert.deepEqual(
      [of({}), of({ unconfirmedGapMs: 5999 }), of({ unconfirmedGapMs: 6000 })],
      ['answer', 'answer', 'confirm'],
    )
    assert.equal(of({ unconfirmedGapMs: 6000, isOnlyReplica: true }), 'confirm')
    const cut = { isZooKeeperReachable: false }
    assert.deepEqual([of(cut), of({ ...cut, isOnlyReplica: true })], ['refuse', 'answer'])
    assert.deepEqual(
      [of({ ...cut, lastInSyncFetchMs: 11_001 }), of({ ...cut, lastInSyncFetchMs: 11_000 })],
      ['answer', 'refuse'],
    )
    const gap = new EventLoopGap(0, 6000)
    gap.onTurn(5999)
    assert.equal(gap.unconfirmedMs, 0)
    gap.onTurn(13_000)
    assert.equal(gap.unconfirmedMs, 7001)
    gap.onTurn(13_100)
    gap.onConfirmed(12_999)
    assert.equal(gap.unconfirmedMs, 7001, 'the read was sent before the pause ended')
    gap.onTurn(19_100)
    gap.onConfirmed(13_050)
    assert.equal(gap.unconfirmedMs, 7001, 'the read was sent before the second, shorter pause ended')
    gap.onConfirmed(19_100)
    assert.equal(gap.unconfirmedMs, 0)
  },
  'follower: what each refusal does': machines => {
    const after = (errorCode: ErrorCode): FollowerStep => {
      const { follower, ask } = followerOf(machines)
      assert.equal(follower.onFetchAnswer(ask(), { ...nothing, errorCode }, 100), 'skip')
      return follower.next(100)
    }
    assert.equal(after(ErrorCode.FENCED_LEADER_EPOCH).kind, 'failed')
    for (const code of [
      'UNKNOWN_LEADER_EPOCH',
      'NOT_LEADER_OR_FOLLOWER',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'UNKNOWN_TOPIC_ID',
      'INCONSISTENT_TOPIC_ID',
      'KAFKA_STORAGE_ERROR',
    ] as const) {
      assert.deepEqual(after(ErrorCode[code]), { kind: 'wait', untilMs: 110 })
    }
    const { follower, ask } = followerOf(machines)
    follower.onFetchAnswer({ ...ask(), fetchOffset: 2 }, { ...nothing, errorCode: ErrorCode.FENCED_LEADER_EPOCH }, 0)
    follower.onFetchAnswer(
      { ...ask(), lastFetchedEpoch: 4 },
      { ...nothing, errorCode: ErrorCode.FENCED_LEADER_EPOCH },
      0,
    )
    follower.onFetchAnswer({ ...ask(), leaderEpoch: 6 }, { ...nothing, errorCode: ErrorCode.FENCED_LEADER_EPOCH }, 0)
    assert.equal(follower.next(0).kind, 'fetch', 'answers to other questions')
  },
  'follower out of range: a shorter leader cuts it, a later start empties it, else it stays': machines => {
    const after = (leaderEnd: number, leaderStart: number): FollowerStep => {
      const { follower, ask } = followerOf(machines)
      follower.onFetchAnswer(ask(), { ...nothing, errorCode: ErrorCode.OFFSET_OUT_OF_RANGE }, 0)
      const asked = { leaderEpoch: 7, fetchOffset: 3 }
      assert.deepEqual(follower.next(0), { kind: 'ask-leader-end', ...asked })
      follower.onLeaderEnd({ ...asked, fetchOffset: 9 }, { errorCode: ErrorCode.NONE, offset: 0 }, 0)
      follower.onLeaderEnd(asked, { errorCode: ErrorCode.NONE, offset: leaderEnd }, 0)
      if (follower.next(0).kind === 'ask-leader-start')
        follower.onLeaderStart(asked, { errorCode: ErrorCode.NONE, offset: leaderStart }, 0)
      return follower.next(0)
    }
    assert.deepEqual(after(2, 0), { kind: 'truncate', endOffset: 2, isBelowHighWatermark: false })
    assert.deepEqual(after(9, 5), { kind: 'restart', startOffset: 5 })
    assert.equal(after(9, 2).kind, 'fetch')
    assert.equal(after(3, 3).kind, 'fetch')
  },
  'follower: high watermark up to its own end, log start up to the high watermark': machines => {
    const { follower, ask, log } = followerOf(machines)
    const answer = { ...nothing, highWatermark: 9, logStartOffset: 8 }
    assert.equal(follower.onFetchAnswer(ask(), answer, 0), 'append')
    log.append([40])
    assert.deepEqual(follower.onAppended(4, answer), { highWatermark: 4, logStartOffset: 4 })
    assert.deepEqual(follower.onAppended(4, { highWatermark: 2, logStartOffset: 3 }), {
      highWatermark: 2,
      logStartOffset: 2,
    })
    log.highWatermark = 1
    assert.deepEqual(follower.onAppended(4, { highWatermark: 0, logStartOffset: 0 }), {
      highWatermark: 1,
      logStartOffset: 0,
    })
  },
  'follower: a diverging answer is cut by epochs, and nothing else of it is used': machines => {
    const cutAt = (epoch: number, endOffset: number): number => {
      const { follower, ask } = followerOf(machines)
      const answer = { ...nothing, divergingEpoch: { leaderEpoch: epoch, endOffset } }
      assert.equal(follower.onFetchAnswer(ask(), answer, 0), 'skip')
      const step = follower.next(0)
      return step.kind === 'truncate' ? step.endOffset : -1
    }
    // Own log: epoch 1 at 0, epoch 3 at 1, epoch 5 at 2, end 3.
    assert.deepEqual([cutAt(3, 2), cutAt(4, 9), cutAt(1, 0), cutAt(2, 5), cutAt(3, 1), cutAt(0, 0)], [2, 2, 0, 1, 1, 0])
  },
  'follower without epochs: cuts at the high watermark, once': machines => {
    const log = new ModelLog([8, 8, 8], 2, new machines.LeaderEpochCache())
    const follower = new machines.PartitionFollower(
      { brokerId: 2, leaderId: 1, leaderEpoch: 7, truncatesOnFetch: true, backoffMs: 10 },
      log,
    )
    assert.deepEqual(follower.next(0), { kind: 'truncate', endOffset: 2, isBelowHighWatermark: false })
    log.truncateTo(2)
    follower.onTruncated()
    assert.deepEqual(follower.next(0), {
      kind: 'fetch',
      leaderEpoch: 7,
      fetchOffset: 2,
      lastFetchedEpoch: -1,
      logStartOffset: 0,
    })
  },
  'follower of an old leader: asks epoch by epoch where histories part (KIP-279)': machines => {
    const { follower, log } = followerOf(machines, false)
    const cut = (): FollowerStep => {
      const step = follower.next(0)
      if (step.kind === 'truncate') {
        log.truncateTo(step.endOffset)
        follower.onTruncated()
      }
      return step
    }
    assert.deepEqual(follower.next(0), { kind: 'ask-epoch-end', leaderEpoch: 7, epoch: 5 })
    // The leader has no epoch 5 and none of 3: its 4 began elsewhere.
    follower.onEpochEnd({ leaderEpoch: 7, epoch: 5 }, { errorCode: ErrorCode.NONE, leaderEpoch: 4, endOffset: 9 }, 0)
    assert.equal((cut() as { endOffset: number }).endOffset, 2)
    assert.deepEqual(follower.next(0), { kind: 'ask-epoch-end', leaderEpoch: 7, epoch: 3 })
    follower.onEpochEnd({ leaderEpoch: 7, epoch: 3 }, { errorCode: ErrorCode.NONE, leaderEpoch: 1, endOffset: 1 }, 0)
    assert.equal((cut() as { endOffset: number }).endOffset, 1)
    assert.equal(follower.next(0).kind, 'fetch')
  },
}
