import { describe, expect, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import { MemoryCluster } from '@millrace/testing/controller/memory-cluster'
import { planControlledShutdown } from './plan-controlled-shutdown.ts'
import { planElectLeaders, type RequestedElection } from './plan-leader-election.ts'

function clusterWith(replicas: readonly (readonly number[])[], brokers = 3): MemoryCluster {
  const cluster = new MemoryCluster(brokers)
  cluster.znodes.createTopic('t', replicas)
  cluster.controller.topicsChanged()
  cluster.settle()
  return cluster
}

function stop(cluster: MemoryCluster, ...ids: number[]): void {
  for (const id of ids) {
    cluster.stop(id)
    cluster.controller.brokersChanged()
    cluster.settle()
  }
}

function start(cluster: MemoryCluster, ...ids: number[]): void {
  for (const id of ids) {
    cluster.start(id)
    cluster.controller.brokersChanged()
    cluster.settle()
  }
}

function elect(
  cluster: MemoryCluster,
  election: RequestedElection,
  partitions: readonly number[] | null = null,
): string[] {
  const asked = partitions?.map(partition => ({ topic: 't', partition })) ?? null
  const outcomes = cluster.ask(planElectLeaders(cluster.controller.state, election, asked))
  return outcomes.map(({ partition, errorCode, leader }) => `${partition} ${errorName(errorCode)} ${leader}`).sort()
}

describe('elections by request', () => {
  test('preferred: those led elsewhere get their first replica back, the others need none', () => {
    const cluster = clusterWith([
      [1, 0],
      [0, 1],
      [1, 2],
    ])
    stop(cluster, 1)
    start(cluster, 1)
    expect(elect(cluster, 'preferred')).toEqual(['0 NONE 1', '1 ELECTION_NOT_NEEDED null', '2 NONE 1'])
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 1, inSyncReplicas: [0, 1], leaderEpoch: 2 })
  })

  test('preferred replica down, or not in sync: PREFERRED_LEADER_NOT_AVAILABLE, nothing written', () => {
    const cluster = clusterWith([
      [1, 0],
      [1, 0],
    ])
    stop(cluster, 1)
    expect(elect(cluster, 'preferred', [0])).toEqual(['0 PREFERRED_LEADER_NOT_AVAILABLE null'])
    cluster.stall(1)
    start(cluster, 1)
    cluster.armCrash(Infinity)
    expect(elect(cluster, 'preferred', [1])).toEqual(['1 PREFERRED_LEADER_NOT_AVAILABLE null'])
    expect(cluster.writes).toBe(0)
  })

  test('unclean: only where the leader is down; a replica that is in sync wins over one that is not', () => {
    const cluster = clusterWith([
      [1, 0],
      [0, 2],
      [2, 1],
    ])
    stop(cluster, 0, 1)
    start(cluster, 0)
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: -1, inSyncReplicas: [1] })
    expect(elect(cluster, 'unclean')).toEqual(['0 NONE 0', '1 ELECTION_NOT_NEEDED null', '2 ELECTION_NOT_NEEDED null'])
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 0, inSyncReplicas: [0], leaderRecoveryState: 1 })
  })

  test('unclean, but no replica is up: ELIGIBLE_LEADERS_NOT_AVAILABLE', () => {
    const cluster = clusterWith([[1, 0]])
    stop(cluster, 0, 1)
    expect(elect(cluster, 'unclean')).toEqual(['0 ELIGIBLE_LEADERS_NOT_AVAILABLE null'])
  })

  test('unknown, being deleted, never led: each its own answer', () => {
    const cluster = clusterWith([[0], [9]])
    expect(elect(cluster, 'preferred', [1, 5])).toEqual([
      '1 PREFERRED_LEADER_NOT_AVAILABLE null',
      '5 UNKNOWN_TOPIC_OR_PARTITION null',
    ])
    expect(elect(cluster, 'unclean', [1])).toEqual(['1 ELIGIBLE_LEADERS_NOT_AVAILABLE null'])
    cluster.znodes.markers.add('t')
    cluster.controller.deletionsChanged()
    expect(elect(cluster, 'preferred', [0])).toEqual(['0 INVALID_TOPIC_EXCEPTION null'])
  })
})

describe('balance of leaders', () => {
  const balance = (cluster: MemoryCluster, percentage: number): void =>
    cluster.controller.run({ event: 'balance-due', percentage })

  const leaders = (cluster: MemoryCluster): (number | undefined)[] =>
    [...cluster.znodes.topics.get('t')!.assignment.keys()].map(
      partition => cluster.znodes.state('t', partition)?.leader,
    )

  test('more than the percentage led elsewhere: given back', () => {
    const cluster = clusterWith([
      [1, 0],
      [1, 0],
      [0, 1],
    ])
    stop(cluster, 1)
    start(cluster, 1)
    expect(leaders(cluster)).toEqual([0, 0, 0])
    balance(cluster, 10)
    expect(leaders(cluster)).toEqual([1, 1, 0])
  })

  test('exactly the percentage: left alone', () => {
    const cluster = clusterWith([
      [1, 0],
      [1, 0],
    ])
    cluster.stall(1)
    stop(cluster, 1)
    start(cluster, 1)
    cluster.catchUp(1)
    cluster.settle()
    expect(elect(cluster, 'preferred', [0])).toEqual(['0 NONE 1'])
    balance(cluster, 50)
    expect(leaders(cluster)).toEqual([1, 0])
    balance(cluster, 49)
    expect(leaders(cluster)).toEqual([1, 1])
  })

  test('the preferred broker is down, or behind: nothing is written', () => {
    const cluster = clusterWith([[1, 0]])
    stop(cluster, 1)
    cluster.armCrash(Infinity)
    balance(cluster, 10)
    cluster.stall(1)
    start(cluster, 1)
    balance(cluster, 10)
    expect(cluster.writes).toBe(0)
  })

  test('topic that is being deleted: left alone', () => {
    const cluster = clusterWith([[1, 0, 2]])
    stop(cluster, 2, 1)
    cluster.znodes.markers.add('t')
    cluster.controller.deletionsChanged()
    start(cluster, 1)
    cluster.armCrash(Infinity)
    balance(cluster, 0)
    expect(cluster.writes).toBe(0)
  })
})

describe('controlled shutdown', () => {
  const shutDown = (
    cluster: MemoryCluster,
    id: number,
    epoch = cluster.epochOf(id),
  ): { code: string; remaining: string[] } => {
    const answer = cluster.ask(planControlledShutdown(cluster.controller.state, id, epoch))
    const remaining = answer.remaining.map(({ topic, partition }) => `${topic}-${partition}`)
    return { code: errorName(answer.errorCode), remaining }
  }

  test('hands over what it leads, leaves the ISRs of what it follows, keeps what only it has', () => {
    const cluster = clusterWith([[0, 1, 2], [1, 2, 0], [1]])
    expect(shutDown(cluster, 1)).toEqual({ code: 'NONE', remaining: [] })
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 0, inSyncReplicas: [0, 2], leaderEpoch: 1 })
    expect(cluster.znodes.state('t', 1)).toMatchObject({ leader: 2, inSyncReplicas: [2, 0], leaderEpoch: 1 })
    expect(cluster.znodes.state('t', 2)).toMatchObject({ leader: 1, inSyncReplicas: [1], leaderEpoch: 0 })
  })

  test('requests in order: new leaders first, then the order to stop following', () => {
    const cluster = clusterWith([
      [0, 1],
      [1, 0],
    ])
    cluster.controller.takeRequests()
    shutDown(cluster, 1)
    const sent = cluster.controller.takeRequests().map(request => `${request.kind} ${request.brokerId}`)
    expect(sent.indexOf('leader-and-isr 1')).toBeLessThan(sent.indexOf('stop-replica 1'))
    expect(sent.indexOf('leader-and-isr 0')).toBe(1)
  })

  test('nobody else is in sync: it remains, and a second try succeeds when one is', () => {
    const cluster = clusterWith([
      [0, 1],
      [0, 2],
    ])
    cluster.stall(1)
    stop(cluster, 1)
    start(cluster, 1)
    expect(shutDown(cluster, 0)).toEqual({ code: 'NONE', remaining: ['t-0'] })
    cluster.catchUp(1)
    cluster.settle()
    expect(shutDown(cluster, 0)).toEqual({ code: 'NONE', remaining: [] })
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 1, inSyncReplicas: [1] })
  })

  test('an earlier incarnation: STALE_BROKER_EPOCH; not registered: BROKER_NOT_AVAILABLE; epoch -1 is not checked', () => {
    const cluster = clusterWith([[0, 1]])
    expect(shutDown(cluster, 0, cluster.epochOf(0) - 1).code).toBe('STALE_BROKER_EPOCH')
    expect(cluster.controller.state.isShuttingDown(0)).toBe(false)
    expect(shutDown(cluster, 9).code).toBe('BROKER_NOT_AVAILABLE')
    expect(shutDown(cluster, 0, -1)).toEqual({ code: 'NONE', remaining: [] })
  })

  test('comes back as another incarnation: may lead again', () => {
    const cluster = clusterWith([[0, 1]])
    shutDown(cluster, 0)
    start(cluster, 0)
    expect(cluster.controller.state.isLive(0)).toBe(true)
    expect(elect(cluster, 'preferred')).toEqual(['0 NONE 0'])
  })
})
