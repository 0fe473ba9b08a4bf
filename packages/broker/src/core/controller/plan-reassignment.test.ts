import { describe, expect, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import { MemoryCluster } from '@millrace/testing/controller/memory-cluster'
import { settledAssignment } from './leadership.ts'
import { planElectLeaders } from './plan-leader-election.ts'
import { planAlterReassignments, type ReassignmentOutcome } from './plan-reassignment.ts'
import { reassignTo } from './reassignment.ts'

describe('assignment while replicas move', () => {
  const table: readonly { from: string; to: number[]; is: string }[] = [
    { from: '0,1', to: [2, 3], is: '2,3,0,1 +2,3 -0,1' },
    { from: '0,1', to: [1, 2], is: '1,2,0 +2 -0' },
    { from: '0,1', to: [1, 0], is: '1,0 + -' },
    { from: '0,1', to: [0], is: '0,1 + -1' },
    // One that runs is given up first: its new replicas are not counted as the partition's own.
    { from: '2,3,0,1 +2,3 -0,1', to: [0, 3], is: '0,3,1 +3 -1' },
    { from: '2,3,0,1 +2,3 -0,1', to: [0, 1], is: '0,1 + -' },
  ]
  for (const { from, to, is } of table) {
    test(`${from} to ${to.join()}: ${is}`, () => {
      const [replicas, adding, removing] = from.split(' ').map(part => part.replace(/^[+-]/, '').split(',').map(Number))
      const assignment = { replicas: replicas!, addingReplicas: adding ?? [], removingReplicas: removing ?? [] }
      const next = reassignTo(assignment, to)
      expect(`${next.replicas.join()} +${next.addingReplicas.join()} -${next.removingReplicas.join()}`).toBe(is)
    })
  }
})

/** Brokers 0 to 3; `t-0` on `replicas`. */
function clusterWith(replicas: readonly number[]): MemoryCluster {
  const cluster = new MemoryCluster(4)
  cluster.znodes.createTopic('t', [replicas])
  cluster.controller.topicsChanged()
  cluster.settle()
  return cluster
}

function reassign(
  cluster: MemoryCluster,
  replicas: readonly number[] | null,
  partition = 0,
  topic = 't',
): Pick<ReassignmentOutcome, 'message'> & { code: string } {
  const [outcome] = cluster.ask(planAlterReassignments(cluster.controller.state, [{ topic, partition, replicas }]))
  return { code: errorName(outcome!.errorCode), message: outcome!.message }
}

const assignmentOf = (cluster: MemoryCluster): unknown => cluster.znodes.topics.get('t')!.assignment.get(0)

describe('reassignment', () => {
  test('waits while a new replica is behind, and is completed by the ISR that has it', () => {
    const cluster = clusterWith([0, 1])
    cluster.stall(3)
    expect(reassign(cluster, [2, 3]).code).toBe('NONE')
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual({
      replicas: [2, 3, 0, 1],
      addingReplicas: [2, 3],
      removingReplicas: [0, 1],
    })
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 0, inSyncReplicas: [0, 1, 2] })
    cluster.catchUp(3)
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual(settledAssignment([2, 3]))
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 2, inSyncReplicas: [2, 3] })
    expect(cluster.strays()).toEqual([])
  })

  const refusals: readonly { name: string; replicas: number[] | null; partition?: number; code: string }[] = [
    { name: 'no replicas', replicas: [], code: 'INVALID_REPLICA_ASSIGNMENT' },
    { name: 'one twice', replicas: [1, 1], code: 'INVALID_REPLICA_ASSIGNMENT' },
    { name: 'negative id', replicas: [-1], code: 'INVALID_REPLICA_ASSIGNMENT' },
    { name: 'new replica on a broker that is down', replicas: [0, 9], code: 'INVALID_REPLICA_ASSIGNMENT' },
    { name: 'unknown partition', replicas: [1], partition: 4, code: 'UNKNOWN_TOPIC_OR_PARTITION' },
    { name: 'given up although none runs', replicas: null, code: 'NO_REASSIGNMENT_IN_PROGRESS' },
  ]
  for (const { name, replicas, partition, code } of refusals) {
    test(`${name}: ${code}, nothing written`, () => {
      const cluster = clusterWith([0, 1])
      cluster.armCrash(Infinity)
      expect(reassign(cluster, replicas, partition).code).toBe(code)
      expect(cluster.writes).toBe(0)
    })
  }

  test('a replica that stays may be on a broker that is down', () => {
    const cluster = clusterWith([0, 1])
    cluster.stop(1)
    cluster.controller.brokersChanged()
    expect(reassign(cluster, [1, 2]).code).toBe('NONE')
    cluster.settle()
    expect(cluster.znodes.state('t', 0)?.inSyncReplicas).toEqual([0, 2])
    cluster.start(1)
    cluster.controller.brokersChanged()
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual(settledAssignment([1, 2]))
  })

  test('topic queued for deletion: UNKNOWN_TOPIC_OR_PARTITION', () => {
    const cluster = clusterWith([0, 1])
    cluster.stop(1)
    cluster.controller.brokersChanged()
    cluster.znodes.markers.add('t')
    cluster.controller.deletionsChanged()
    expect(reassign(cluster, [2]).code).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  test('given up when only a new replica is in sync: refused, for its log is the only good one', () => {
    const cluster = clusterWith([0])
    cluster.stall(3)
    reassign(cluster, [2, 3])
    cluster.settle()
    cluster.ask(planElectLeaders(cluster.controller.state, 'preferred', null))
    cluster.stop(0)
    cluster.controller.brokersChanged()
    cluster.settle()
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 2, inSyncReplicas: [2] })
    const refused = reassign(cluster, null)
    expect(refused).toEqual({
      code: 'INVALID_REPLICA_ASSIGNMENT',
      message: 'Unable to change the assignment of t-0: all in-sync replicas would be removed.',
    })
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 2, inSyncReplicas: [2] })
  })

  test('the broker of a new replica dies on the way and comes back: it goes on', () => {
    const cluster = clusterWith([0, 1])
    cluster.stall(3)
    reassign(cluster, [2, 3])
    cluster.settle()
    cluster.stop(3)
    cluster.controller.brokersChanged()
    cluster.settle()
    cluster.catchUp(3)
    cluster.start(3)
    cluster.controller.brokersChanged()
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual(settledAssignment([2, 3]))
  })

  test('all wanted replicas in sync, but the only one of them is down: the old ones stay until it comes', () => {
    const cluster = clusterWith([0, 1])
    cluster.stop(0)
    cluster.controller.brokersChanged()
    cluster.stop(1)
    cluster.controller.brokersChanged()
    // ISR [1], nobody leads; 0 has come back but is not in sync.
    cluster.start(0)
    cluster.controller.brokersChanged()
    cluster.settle()
    expect(reassign(cluster, [1]).code).toBe('NONE')
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual({ replicas: [1, 0], addingReplicas: [], removingReplicas: [0] })
    cluster.start(1)
    cluster.controller.brokersChanged()
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual(settledAssignment([1]))
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 1, inSyncReplicas: [1] })
  })

  test('the leader is among those removed: led all the time, no write says that nobody leads', () => {
    const cluster = clusterWith([0, 1])
    const leaders: number[] = []
    cluster.onWrite = write => {
      if (write.write === 'update-state') leaders.push(write.leadership.leader)
    }
    cluster.stall(3)
    reassign(cluster, [2, 3])
    cluster.settle()
    cluster.ask(planElectLeaders(cluster.controller.state, 'preferred', null))
    cluster.settle()
    reassign(cluster, null)
    cluster.settle()
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 0, inSyncReplicas: [0, 1] })
    expect(leaders).not.toContain(-1)
  })

  test('exactly what is there: nothing is written', () => {
    const cluster = clusterWith([0, 1])
    cluster.armCrash(Infinity)
    expect(reassign(cluster, [0, 1]).code).toBe('NONE')
    expect(cluster.writes).toBe(0)
  })

  test('partition that never had a leader: gets one with the new replicas', () => {
    const cluster = new MemoryCluster(2)
    cluster.znodes.createTopic('t', [[7]])
    cluster.controller.topicsChanged()
    expect(reassign(cluster, [1]).code).toBe('NONE')
    cluster.settle()
    expect(cluster.znodes.state('t', 0)).toMatchObject({ leader: 1, inSyncReplicas: [1] })
    expect(assignmentOf(cluster)).toEqual(settledAssignment([1]))
  })

  test('hundred partitions in one request: one write of the topic to begin, one to end', () => {
    const cluster = new MemoryCluster(4)
    const partitions = Array.from({ length: 100 }, (_, partition) => partition)
    cluster.znodes.createTopic(
      't',
      partitions.map(() => [0, 1]),
    )
    cluster.controller.topicsChanged()
    cluster.settle()
    let writes = 0
    cluster.onWrite = write => {
      if (write.write === 'update-assignment') writes++
    }
    // Replicas 2 are stopped short of the ISR until all have begun.
    cluster.stall(2)
    const requests = partitions.map(partition => ({ topic: 't', partition, replicas: [2, 0] }))
    cluster.ask(planAlterReassignments(cluster.controller.state, requests))
    expect(writes).toBe(1)
    cluster.catchUp(2)
    cluster.settle()
    expect([...cluster.znodes.topics.get('t')!.assignment.values()]).toEqual(
      partitions.map(() => settledAssignment([2, 0])),
    )
  })
})

describe('/admin/reassign_partitions', () => {
  test('entries are taken out as they end, the znode with the last of them', () => {
    const cluster = new MemoryCluster(4)
    cluster.znodes.createTopic('t', [
      [0, 1],
      [0, 1],
    ])
    cluster.controller.topicsChanged()
    cluster.stall(3)
    const requests = [
      { topic: 't', partition: 0, replicas: [2] },
      { topic: 't', partition: 1, replicas: [3] },
      { topic: 'unknown', partition: 1, replicas: [3] },
    ]
    cluster.znodes.reassignments = requests
    cluster.controller.run({ event: 'reassignments-requested', requests })
    cluster.settle()
    expect(cluster.znodes.reassignments).toEqual([requests[1]])
    cluster.catchUp(3)
    cluster.settle()
    expect(cluster.znodes.reassignments).toBeNull()
  })

  test('a request by API about the same partition replaces the entry', () => {
    const cluster = clusterWith([0, 1])
    cluster.stall(3)
    cluster.znodes.reassignments = [{ topic: 't', partition: 0, replicas: [3] }]
    cluster.controller.run({ event: 'reassignments-requested', requests: cluster.znodes.reassignments })
    expect(reassign(cluster, [0, 2]).code).toBe('NONE')
    expect(cluster.znodes.reassignments).toBeNull()
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual(settledAssignment([0, 2]))
  })

  test('replicas on a broker that is down: waited for', () => {
    const cluster = clusterWith([0, 1])
    cluster.stop(3)
    cluster.controller.brokersChanged()
    cluster.znodes.reassignments = [{ topic: 't', partition: 0, replicas: [0, 3] }]
    cluster.controller.run({ event: 'reassignments-requested', requests: cluster.znodes.reassignments })
    cluster.settle()
    cluster.start(3)
    cluster.controller.brokersChanged()
    cluster.settle()
    expect(assignmentOf(cluster)).toEqual(settledAssignment([0, 3]))
    expect(cluster.znodes.reassignments).toBeNull()
  })

  test('a znode that asks for nothing is taken away', () => {
    const cluster = clusterWith([0])
    cluster.znodes.reassignments = []
    cluster.controller.run({ event: 'reassignments-requested', requests: [] })
    expect(cluster.znodes.reassignments).toBeNull()
  })
})
