import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  checkControllerRequest,
  EPOCH_DURING_DELETE,
  isHostable,
  judgeLeaderState,
  judgeStopReplica,
  NO_EPOCH,
  ZERO_TOPIC_ID,
} from './controller-request-acceptance.ts'
import { checkLeaderEpoch } from './leader-epoch-check.ts'

describe('the request', () => {
  const ours = { brokerEpoch: 50, highestControllerEpoch: 7 }
  test.each([
    ['current epochs', 50, 7, ErrorCode.NONE],
    ['new controller', 50, 8, ErrorCode.NONE],
    ['no broker epoch', -1, 7, ErrorCode.NONE],
    ['broker epoch ahead of ours: the session event is still on its way', 51, 7, ErrorCode.NONE],
    ['our former life', 49, 7, ErrorCode.STALE_BROKER_EPOCH],
    ['former controller', 50, 6, ErrorCode.STALE_CONTROLLER_EPOCH],
    ['both stale', 49, 6, ErrorCode.STALE_BROKER_EPOCH],
  ])('%s', (_name, requestBrokerEpoch, requestControllerEpoch, expected) => {
    expect(checkControllerRequest({ ...ours, requestBrokerEpoch, requestControllerEpoch })).toBe(expected)
  })
})

test.each([
  ['orders', 0, true],
  ['a.b_c-9', 7, true],
  ['', 0, false],
  ['..', 0, false],
  ['../../etc', 0, false],
  ['a/b', 0, false],
  ['a\0b', 0, false],
  ['x'.repeat(250), 0, false],
  ['orders', -1, false],
])('a folder for %j %d: %s', (topic, partition, expected) => {
  expect(isHostable(topic, partition)).toBe(expected)
})

describe('LeaderAndIsr', () => {
  const usual = {
    isOffline: false,
    hasLog: true,
    localTopicId: 'topic-a',
    requestTopicId: 'topic-a',
    currentLeaderEpoch: 4,
    requestLeaderEpoch: 5,
    isReplica: true,
  }
  test.each<[string, Partial<typeof usual> & { localTopicId?: string | null }, unknown]>([
    ['newer epoch', {}, 'apply'],
    ['newer epoch, not a replica', { isReplica: false }, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['equal epoch', { requestLeaderEpoch: 4 }, ErrorCode.STALE_CONTROLLER_EPOCH],
    ['older epoch', { requestLeaderEpoch: 3 }, ErrorCode.STALE_CONTROLLER_EPOCH],
    ['another topic of the same name', { requestTopicId: 'topic-b' }, ErrorCode.INCONSISTENT_TOPIC_ID],
    ['no id in the request', { requestTopicId: ZERO_TOPIC_ID }, 'apply'],
    ['offline', { isOffline: true }, ErrorCode.KAFKA_STORAGE_ERROR],
  ])('%s', (_name, changes, expected) => {
    expect(judgeLeaderState({ ...usual, ...changes })).toBe(expected)
  })
  test('equal epoch, log without id, request with one: the id is assigned', () => {
    expect(judgeLeaderState({ ...usual, requestLeaderEpoch: 4, localTopicId: null })).toBe('assign-topic-id')
    expect(judgeLeaderState({ ...usual, requestLeaderEpoch: 4, localTopicId: null, hasLog: false })).toBe(
      ErrorCode.STALE_CONTROLLER_EPOCH,
    )
  })
})

describe('StopReplica', () => {
  const usual = { isOffline: false, isHosted: true, currentLeaderEpoch: 4, requestLeaderEpoch: 5 }
  test.each([
    ['newer epoch', {}, ErrorCode.NONE],
    ['equal epoch', { requestLeaderEpoch: 4 }, ErrorCode.NONE],
    ['older epoch', { requestLeaderEpoch: 3 }, ErrorCode.FENCED_LEADER_EPOCH],
    ['topic deletion', { requestLeaderEpoch: EPOCH_DURING_DELETE }, ErrorCode.NONE],
    ['no epoch', { requestLeaderEpoch: NO_EPOCH }, ErrorCode.NONE],
    ['not hosted', { isHosted: false, requestLeaderEpoch: 0 }, ErrorCode.NONE],
    ['offline', { isOffline: true }, ErrorCode.KAFKA_STORAGE_ERROR],
  ])('%s', (_name, changes, expected) => {
    expect(judgeStopReplica({ ...usual, ...changes })).toBe(expected)
  })
})

describe('leader epoch of a client', () => {
  const usual = { requestEpoch: -1, localEpoch: 4, isLeader: true, mustLead: true }
  test.each([
    ['none given', {}, ErrorCode.NONE],
    ['equal', { requestEpoch: 4 }, ErrorCode.NONE],
    ['older', { requestEpoch: 3 }, ErrorCode.FENCED_LEADER_EPOCH],
    ['newer', { requestEpoch: 5 }, ErrorCode.UNKNOWN_LEADER_EPOCH],
    ['not leader', { isLeader: false }, ErrorCode.NOT_LEADER_OR_FOLLOWER],
    ['not leader, any replica will do', { isLeader: false, mustLead: false }, ErrorCode.NONE],
    ['older, not leader: the epoch says more', { requestEpoch: 3, isLeader: false }, ErrorCode.FENCED_LEADER_EPOCH],
  ])('%s', (_name, changes, expected) => {
    expect(checkLeaderEpoch({ ...usual, ...changes })).toBe(expected)
  })
})
