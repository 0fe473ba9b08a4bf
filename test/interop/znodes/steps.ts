import { append, broker, change, create, grow, producerId, remove, set, topic, unset } from './requests.ts'
import { alterConfigsRequest, alterConfigsResponse } from '@millrace/protocol/messages/33-alter-configs'
import type { Side } from './side.ts'
import type { Tree } from './tree.ts'
import { replicatedSteps } from './replicated-steps.ts'

export interface Step {
  readonly name: string
  /** What is done to either cluster; the answers, if any, must be the same. */
  run(side: Side): Promise<unknown>
  /** The step of the recording that did the same, with more replicas. */
  readonly recorded?: number
  /** Which znodes are as in the recording; all, if it does not say. */
  readonly alike?: RegExp
  /** Holds in the end, whatever the clusters do in between. */
  settled?(tree: Tree): boolean
}

export const steps: readonly Step[] = [
  { name: 'ZooKeeper is empty', recorded: 1, run: async () => {} },
  { name: 'broker 0 starts', recorded: 2, run: side => side.start(0) },
  { name: 'broker 1 starts', recorded: 3, run: side => side.start(1) },
  { name: 'broker 2 starts', recorded: 4, run: side => side.start(2) },
  {
    name: 'a topic with configs is created',
    recorded: 5,
    run: side =>
      create(side, [
        {
          name: 'orders',
          replicas: [[2], [0], [1]],
          configs: { 'retention.ms': '60000000', 'cleanup.policy': 'compact' },
        },
      ]),
  },
  {
    name: 'two topics are created at once',
    recorded: 6,
    run: side =>
      create(side, [
        { name: 'manual', replicas: [[2], [0]] },
        { name: 'solo', replicas: [[2]] },
      ]),
  },
  {
    name: 'topics grow: one where the brokers like, one where the client says',
    recorded: 7,
    run: side =>
      grow(side, [
        { name: 'orders', count: 4, assignments: null },
        { name: 'manual', count: 3, assignments: [{ brokerIds: [1] }] },
      ]),
  },
  {
    name: 'topic configs: one set, one appended to, one deleted',
    recorded: 8,
    run: side =>
      change(side, 0, topic, 'orders', [
        set('max.message.bytes', '2000000'),
        append('cleanup.policy', 'delete'),
        unset('retention.ms'),
      ]),
  },
  {
    name: 'topic configs: replaced by the older call',
    recorded: 9,
    run: async side => {
      const configs = [
        { name: 'segment.bytes', value: '1048576' },
        { name: 'min.insync.replicas', value: '1' },
      ]
      const value = { resources: [{ resourceType: topic, resourceName: 'solo', configs }], validateOnly: false }
      const { responses } = await side.ask(0, alterConfigsRequest, alterConfigsResponse, value)
      return responses.map(({ resourceName, errorCode }) => ({ resourceName, errorCode }))
    },
  },
  {
    name: 'topic configs: all deleted',
    recorded: 10,
    run: side => change(side, 0, topic, 'solo', [unset('segment.bytes'), unset('min.insync.replicas')]),
  },
  {
    name: 'broker configs: of one broker, then of all',
    recorded: 11,
    run: async side => [
      await change(side, 1, broker, '1', [set('log.cleaner.threads', '2')]),
      await change(side, 1, broker, '', [set('max.connections', '5000')]),
    ],
  },
  {
    name: 'broker configs: deleted',
    recorded: 12,
    run: side => change(side, 1, broker, '1', [unset('log.cleaner.threads')]),
  },
  {
    name: 'what is refused or only validated leaves no trace',
    run: async side => [
      await create(side, [
        { name: 'solo', replicas: [[0]] },
        { name: 'bad name', replicas: [[0]] },
      ]),
      await create(side, [
        { name: 'gap', replicas: [[0]], firstPartition: 1 },
        { name: 'strange', replicas: [[0]], configs: { 'retention.ms': 'x' } },
      ]),
      await create(side, [{ name: 'later', replicas: [[0]] }], { validateOnly: true }),
      await grow(side, [
        { name: 'orders', count: 2, assignments: null },
        { name: 'nobody', count: 2, assignments: null },
      ]),
      await grow(side, [{ name: 'orders', count: 5, assignments: [{ brokerIds: [9] }] }]),
      await remove(side, ['nobody']),
      await change(side, 0, topic, 'orders', [set('segment.bytes', '1')]),
      await change(side, 0, topic, 'nobody', [set('segment.bytes', '10000')]),
    ],
  },
  {
    // The producer of the recording asked broker 1, was told to ask again, and asked broker 2.
    name: 'two brokers take a block of producer ids each',
    recorded: 21,
    run: async side => [await producerId(side, 1), await producerId(side, 2)],
  },
  {
    name: 'a topic that will go is created',
    recorded: 30,
    run: side => create(side, [{ name: 'move', replicas: [[0]] }]),
  },
  {
    name: 'it is deleted',
    recorded: 36,
    run: side => remove(side, ['move']),
    settled: tree => tree['/brokers/topics/move'] === undefined && tree['/admin/delete_topics/move'] === undefined,
  },
  {
    name: 'a topic is created on a broker that does not exist',
    run: side => create(side, [{ name: 'nowhere', replicas: [[7]] }], { timeoutMs: 300 }),
  },
  { name: 'a topic of the same name is created', run: side => create(side, [{ name: 'move', replicas: [[1], [0]] }]) },
  {
    name: 'a broker outlives its session',
    run: side => side.outliveSession(1),
    settled: tree => isOnline(tree, 'orders', 2) && isOnline(tree, 'manual', 2) && isOnline(tree, 'move', 0),
  },
  {
    name: 'a broker stops',
    run: side => side.stop(2),
    settled: tree => isOffline(tree, 'solo', 0) && isOffline(tree, 'orders', 0),
  },
  {
    name: 'topics of a broker that is down are deleted: the deletion waits',
    run: side => remove(side, ['solo', 'manual'], 300),
    settled: tree => tree['/brokers/topics/solo'] !== undefined,
  },
  {
    name: 'the controller is killed; another takes over',
    recorded: 39,
    alike: /^\/(controller_epoch|brokers\/ids\/[01])$/,
    run: side => side.kill(0),
    settled: tree => tree['/controller']?.owner === 'broker 1' && isOffline(tree, 'orders', 1),
  },
  { name: 'a topic is created beside dead brokers', run: side => create(side, [{ name: 'late', replicas: [[1]] }]) },
  {
    name: 'the old controller starts again',
    recorded: 41,
    alike: /^\/(controller_epoch|brokers\/ids\/0)$/,
    run: side => side.start(0),
    settled: tree => isOnline(tree, 'orders', 1) && isOnline(tree, 'move', 1),
  },
  {
    name: 'the broker that was down starts again: the deletions go on',
    run: side => side.start(2),
    settled: tree =>
      isOnline(tree, 'orders', 0) &&
      ['solo', 'manual'].every(
        name => tree[`/brokers/topics/${name}`] === undefined && tree[`/admin/delete_topics/${name}`] === undefined,
      ),
  },
  {
    name: '/controller is deleted by hand: a new election',
    recorded: 42,
    alike: /^\/controller(_epoch)?$/,
    run: async side => {
      await side.deleteByHand('/controller')
      await side.knowEachOther()
    },
  },
  { name: 'and once more, won by a certain broker', run: side => side.elect(1) },
  {
    name: 'the deletion of a topic is asked for in ZooKeeper itself',
    run: side => side.createByHand('/admin/delete_topics/move'),
    settled: tree => tree['/brokers/topics/move'] === undefined && tree['/admin/delete_topics/move'] === undefined,
  },
  ...replicatedSteps,
  {
    name: 'all stop, one after another',
    run: async side => {
      for (const id of [0, 2]) {
        await side.stop(id)
        await side.until(tree => isOffline(tree, 'orders', id === 0 ? 1 : 0))
      }
      await side.stop(1)
    },
    settled: tree => tree['/controller'] === undefined && tree['/brokers/ids/1'] === undefined,
  },
]

const leaderOf = (tree: Tree, name: string, partition: number): number | undefined =>
  (tree[`/brokers/topics/${name}/partitions/${partition}/state`]?.data as { leader: number } | undefined)?.leader
const isOffline = (tree: Tree, name: string, partition: number): boolean => leaderOf(tree, name, partition) === -1
const isOnline = (tree: Tree, name: string, partition: number): boolean => (leaderOf(tree, name, partition) ?? -1) >= 0
