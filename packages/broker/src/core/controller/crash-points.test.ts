import { describe, expect, test } from '@jest/globals'
import { Killed, MemoryCluster } from '@millrace/testing/controller/memory-cluster'
import { planControlledShutdown } from './plan-controlled-shutdown.ts'
import { planElectLeaders } from './plan-leader-election.ts'
import { planAlterReassignments } from './plan-reassignment.ts'

/** Something that happens to a cluster, and must come to the same end whenever the controller dies over it. */
interface Flow {
  readonly name: string
  /** Brokers 0 to 3, all running. */
  prepare(cluster: MemoryCluster): void
  /** What changes without the controller: znodes that others write, brokers that come and go. */
  change?(cluster: MemoryCluster): void
  /** What somebody asks the controller for, and asks the next one again if there was no answer. */
  ask(cluster: MemoryCluster): void
}

const createTopic = (cluster: MemoryCluster, name: string, replicas: readonly (readonly number[])[]): void => {
  cluster.znodes.createTopic(name, replicas)
  cluster.controller.topicsChanged()
  cluster.settle()
}

const brokersChanged = (cluster: MemoryCluster): void => cluster.controller.brokersChanged()

const reassign = (cluster: MemoryCluster, replicas: readonly number[] | null, topic = 't', partition = 0): void => {
  cluster.ask(planAlterReassignments(cluster.controller.state, [{ topic, partition, replicas }]))
}

const flows: readonly Flow[] = [
  {
    name: 'topic created',
    prepare: () => {},
    change: cluster => cluster.znodes.createTopic('t', [[0, 1, 2], [1, 2, 3], [3]]),
    ask: cluster => cluster.controller.topicsChanged(),
  },
  {
    name: 'broker lost',
    prepare: cluster => createTopic(cluster, 't', [[0, 1, 2], [1, 2, 0], [2, 0, 1], [1]]),
    change: cluster => cluster.stop(1),
    ask: brokersChanged,
  },
  {
    name: 'two brokers lost at once',
    prepare: cluster =>
      createTopic(cluster, 't', [
        [0, 1, 2],
        [1, 2, 0],
        [2, 0, 1],
        [1, 2],
      ]),
    change: cluster => {
      cluster.stop(1)
      cluster.stop(2)
    },
    ask: brokersChanged,
  },
  {
    name: 'broker back',
    prepare: cluster => {
      createTopic(cluster, 't', [[0, 1, 2], [1, 2, 0], [1]])
      cluster.stop(1)
      cluster.controller.brokersChanged()
      cluster.settle()
    },
    change: cluster => cluster.start(1),
    ask: brokersChanged,
  },
  {
    name: 'broker restarted before anybody saw it go',
    prepare: cluster => createTopic(cluster, 't', [[0, 1, 2], [1, 2, 0], [1]]),
    change: cluster => cluster.start(1),
    ask: brokersChanged,
  },
  {
    name: 'controlled shutdown, and then it is gone',
    prepare: cluster =>
      createTopic(cluster, 't', [
        [0, 1, 2],
        [1, 2, 0],
        [2, 1],
      ]),
    ask: cluster => {
      cluster.ask(planControlledShutdown(cluster.controller.state, 1, cluster.epochOf(1)))
      cluster.stop(1)
      cluster.controller.brokersChanged()
    },
  },
  {
    name: 'preferred leaders elected by request',
    prepare: cluster => {
      createTopic(cluster, 't', [
        [1, 0, 2],
        [1, 2, 0],
        [2, 1],
      ])
      cluster.stop(1)
      cluster.controller.brokersChanged()
      cluster.settle()
      cluster.start(1)
      cluster.controller.brokersChanged()
      cluster.settle()
    },
    ask: cluster => {
      cluster.ask(planElectLeaders(cluster.controller.state, 'preferred', null))
    },
  },
  {
    name: 'unclean election by request',
    prepare: cluster => {
      createTopic(cluster, 't', [[1, 0]])
      cluster.stop(0)
      cluster.controller.brokersChanged()
      cluster.settle()
      cluster.stop(1)
      cluster.controller.brokersChanged()
      cluster.start(0)
      cluster.controller.brokersChanged()
      cluster.settle()
    },
    ask: cluster => {
      cluster.ask(planElectLeaders(cluster.controller.state, 'unclean', [{ topic: 't', partition: 0 }]))
    },
  },
  {
    name: 'reassignment: other replicas, another leader',
    prepare: cluster => createTopic(cluster, 't', [[0, 1]]),
    ask: cluster => reassign(cluster, [2, 3]),
  },
  {
    name: 'reassignment: more replicas',
    prepare: cluster => createTopic(cluster, 't', [[0]]),
    ask: cluster => reassign(cluster, [0, 1, 2]),
  },
  {
    name: 'reassignment: fewer replicas, the leader goes',
    prepare: cluster => createTopic(cluster, 't', [[0, 1, 2]]),
    ask: cluster => reassign(cluster, [2]),
  },
  {
    name: 'reassignment: only another order',
    prepare: cluster => createTopic(cluster, 't', [[0, 1, 2]]),
    ask: cluster => reassign(cluster, [2, 1, 0]),
  },
  {
    name: 'reassignment given up before anybody caught up',
    prepare: cluster => {
      createTopic(cluster, 't', [[0, 1]])
      cluster.stall(2)
      cluster.stall(3)
      reassign(cluster, [2, 3])
      cluster.settle()
    },
    ask: cluster => reassign(cluster, null),
  },
  {
    name: 'reassignment given up when a new replica leads already',
    prepare: cluster => {
      createTopic(cluster, 't', [[0, 1]])
      cluster.stall(3)
      reassign(cluster, [2, 3])
      cluster.settle()
      cluster.ask(planElectLeaders(cluster.controller.state, 'preferred', null))
      cluster.settle()
    },
    ask: cluster => reassign(cluster, null),
  },
  {
    name: 'reassignment replaced by another one',
    prepare: cluster => {
      createTopic(cluster, 't', [[0, 1]])
      cluster.stall(3)
      reassign(cluster, [2, 3])
      cluster.settle()
    },
    change: cluster => cluster.catchUp(3),
    ask: cluster => reassign(cluster, [1, 3]),
  },
  {
    name: 'reassignment wanted by znode',
    prepare: cluster =>
      createTopic(cluster, 't', [
        [0, 1],
        [1, 2],
      ]),
    change: cluster => {
      cluster.znodes.reassignments = [
        { topic: 't', partition: 0, replicas: [2, 3] },
        { topic: 't', partition: 1, replicas: [3] },
        { topic: 'unknown', partition: 0, replicas: [1] },
      ]
    },
    ask: cluster =>
      cluster.controller.run({ event: 'reassignments-requested', requests: cluster.znodes.reassignments }),
  },
  {
    name: 'preferred leaders wanted by znode',
    prepare: cluster => {
      createTopic(cluster, 't', [
        [1, 0],
        [1, 2],
      ])
      cluster.stop(1)
      cluster.controller.brokersChanged()
      cluster.settle()
      cluster.start(1)
      cluster.controller.brokersChanged()
      cluster.settle()
    },
    change: cluster => {
      cluster.znodes.elections = [
        { topic: 't', partition: 0 },
        { topic: 't', partition: 1 },
      ]
    },
    ask: cluster => {
      const partitions = cluster.znodes.elections
      if (partitions !== null) cluster.controller.run({ event: 'elections-requested', partitions })
    },
  },
  {
    name: 'deletion',
    prepare: cluster => createTopic(cluster, 't', [[0, 1, 2], [1]]),
    change: cluster => cluster.znodes.markers.add('t'),
    ask: cluster => cluster.controller.deletionsChanged(),
  },
  {
    name: 'deletion with a broker down, which then comes',
    prepare: cluster => {
      createTopic(cluster, 't', [[0, 1, 2], [1]])
      cluster.stop(1)
      cluster.controller.brokersChanged()
      cluster.znodes.markers.add('t')
      cluster.controller.deletionsChanged()
      cluster.settle()
    },
    change: cluster => cluster.start(1),
    ask: brokersChanged,
  },
  {
    name: 'deletion while a reassignment runs, which then completes',
    prepare: cluster => {
      createTopic(cluster, 't', [[0, 1]])
      cluster.stall(3)
      reassign(cluster, [2, 3])
      cluster.settle()
      cluster.znodes.markers.add('t')
      cluster.controller.deletionsChanged()
      cluster.settle()
    },
    change: cluster => cluster.catchUp(3),
    ask: () => {},
  },
]

describe('controller killed after each single write: the next one comes to the same end', () => {
  for (const flow of flows) {
    test(flow.name, () => {
      const expected = run(flow, Infinity)
      expect(expected.writes).toBeGreaterThan(0)
      expect(settledProblems(expected.cluster)).toEqual([])
      // Only a crash may leave a log behind that no assignment names: as with Kafka, nobody looks for it then.
      expect(expected.cluster.strays()).toEqual([])
      expect(summary(expected.cluster)).toMatchSnapshot()
      for (let crashAfter = 1; crashAfter <= expected.writes; crashAfter++) {
        for (const requestsArrive of [false, true]) {
          const { cluster } = run(flow, crashAfter, requestsArrive)
          const point = { flow: flow.name, crashAfter, requestsArrive }
          expect({ ...point, outcome: cluster.outcome() }).toEqual({ ...point, outcome: expected.cluster.outcome() })
          expect({ ...point, problems: settledProblems(cluster) }).toEqual({ ...point, problems: [] })
        }
      }
    })
  }
})

function run(flow: Flow, crashAfter: number, requestsArrive = false): { cluster: MemoryCluster; writes: number } {
  const cluster = new MemoryCluster(4)
  flow.prepare(cluster)
  cluster.settle()
  cluster.armCrash(crashAfter)
  flow.change?.(cluster)
  try {
    flow.ask(cluster)
    cluster.settle()
  } catch (error) {
    if (!(error instanceof Killed)) throw error
    cluster.takeOver({ requestsArrive })
    flow.ask(cluster)
    cluster.settle()
  }
  return { cluster, writes: cluster.writes }
}

/** `t-0 [2,3] leader 2 isr 2,3`: where each partition is in the end. */
function summary(cluster: MemoryCluster): string {
  const lines: string[] = []
  for (const [name, { assignment, states }] of cluster.znodes.topics) {
    for (const [partition, { replicas, addingReplicas, removingReplicas }] of assignment) {
      const state = states.get(partition)
      const moving = `${addingReplicas.map(id => ` +${id}`).join('')}${removingReplicas.map(id => ` -${id}`).join('')}`
      const isr = state?.inSyncReplicas.join(',')
      lines.push(`${name}-${partition} [${replicas.join(',')}${moving}] leader ${state?.leader} isr ${isr}`)
    }
  }
  return lines.join('\n')
}

/** Whatever happened: an ISR names only replicas, its leader is in it and up. */
function settledProblems(cluster: MemoryCluster): string[] {
  const problems: string[] = []
  for (const [name, { assignment, states }] of cluster.znodes.topics) {
    for (const [partition, { leader, inSyncReplicas }] of states) {
      const { replicas } = assignment.get(partition)!
      if (!inSyncReplicas.every(id => replicas.includes(id)))
        problems.push(`${name}-${partition}: ISR outside of replicas`)
      if (leader >= 0 && !inSyncReplicas.includes(leader)) problems.push(`${name}-${partition}: leader not in the ISR`)
      if (leader >= 0 && cluster.epochOf(leader) === -1) problems.push(`${name}-${partition}: leader is down`)
      if (leader < 0 && inSyncReplicas.some(id => cluster.epochOf(id) !== -1))
        problems.push(`${name}-${partition}: nobody leads`)
    }
  }
  return problems
}
