import { create, electUncleanly, grow, produce, reassign, remove } from './requests.ts'
import type { Step } from './steps.ts'
import type { Tree } from './tree.ts'

interface State {
  readonly leader: number
  readonly isr: readonly number[]
}
interface Topic {
  readonly partitions: Readonly<Record<string, readonly number[]>>
  readonly adding_replicas: Readonly<Record<string, readonly number[]>>
  readonly removing_replicas: Readonly<Record<string, readonly number[]>>
}

const stateOf = (tree: Tree, name: string, partition: number): State | undefined =>
  tree[`/brokers/topics/${name}/partitions/${partition}/state`]?.data as State | undefined
const topicOf = (tree: Tree, name: string): Topic | undefined =>
  tree[`/brokers/topics/${name}`]?.data as Topic | undefined
const isrSize = (tree: Tree, name: string, partition: number): number => stateOf(tree, name, partition)?.isr.length ?? 0
const areInSync = (tree: Tree, name: string, sizes: readonly number[]): boolean =>
  sizes.every((size, partition) => isrSize(tree, name, partition) === size)
const exists = (tree: Tree, path: string): boolean => tree[path] !== undefined

// The records of these tests are as old as the code: time must not delete them.
const configs = { 'retention.ms': '-1' }

/** Leader, topic and partition. */
const led = [
  [0, 'wide', 0],
  [1, 'wide', 1],
  [2, 'wide', 2],
  [0, 'wide', 3],
  [1, 'doomed', 0],
  [0, 'narrow', 0],
  [2, 'uneven', 0],
] as const

/** Partitions with several replicas; broker 1 is controller. */
export const replicatedSteps: readonly Step[] = [
  {
    name: 'topics with two and three replicas are created',
    run: side =>
      create(side, [
        { name: 'doomed', replicas: [[1, 2]], configs },
        { name: 'narrow', replicas: [[0, 1]], configs },
        { name: 'uneven', replicas: [[2, 0]], configs },
        {
          name: 'wide',
          replicas: [
            [0, 1, 2],
            [1, 2, 0],
            [2, 0, 1],
          ],
          configs,
        },
      ]),
    settled: tree => areInSync(tree, 'wide', [3, 3, 3]) && areInSync(tree, 'uneven', [2]),
  },
  {
    name: 'one with three replicas grows',
    run: side => grow(side, [{ name: 'wide', count: 4, assignments: [{ brokerIds: [0, 2, 1] }] }]),
    settled: tree => areInSync(tree, 'wide', [3, 3, 3, 3]),
  },
  {
    name: 'a follower is stopped: it leaves the ISR where records arrive',
    run: async side => {
      // A follower that never fetched in this leader epoch would leave everywhere.
      const before = []
      for (const [leader, name, partition] of led) before.push(await produce(side, leader, name, partition, -1))
      side.pause(2)
      return [before, await produce(side, 0, 'wide', 0, 1), await produce(side, 1, 'wide', 1, 1)]
    },
    settled: tree => areInSync(tree, 'wide', [2, 2, 3, 3]),
  },
  {
    name: 'it goes on, and is in sync again',
    run: async side => side.goOn(2),
    settled: tree => areInSync(tree, 'wide', [3, 3, 3, 3]),
  },
  {
    name: 'a partition moves to a broker that is stopped: the reassignment is under way',
    run: async side => {
      side.pause(2)
      return reassign(side, 'narrow', 0, [0, 2])
    },
    settled: tree => topicOf(tree, 'narrow')?.adding_replicas['0']?.join() === '2',
  },
  {
    name: 'it is cancelled',
    run: async side => {
      const answer = await reassign(side, 'narrow', 0, null)
      side.goOn(2)
      return answer
    },
    settled: tree => topicOf(tree, 'narrow')?.partitions['0']?.length === 2 && areInSync(tree, 'narrow', [2]),
  },
  {
    name: 'a reassignment without a leader that stays: another one leads, and the old one is gone',
    run: side => reassign(side, 'wide', 0, [1, 2]),
    settled: tree => topicOf(tree, 'wide')?.partitions['0']?.join() === '1,2' && areInSync(tree, 'wide', [2]),
  },
  {
    name: 'a follower shuts down: its leader is alone in the ISR',
    run: side => side.stop(0),
    settled: tree => stateOf(tree, 'uneven', 0)?.isr.join() === '2' && stateOf(tree, 'wide', 3)?.leader !== 0,
  },
  {
    name: 'and that leader is killed: it stays in the ISR, and nobody leads',
    run: side => side.kill(2),
    settled: tree => stateOf(tree, 'uneven', 0)?.leader === -1 && stateOf(tree, 'wide', 1)?.isr.join() === '1',
  },
  {
    name: 'a topic is deleted, one of whose replicas is dead: the deletion waits',
    run: side => remove(side, ['doomed'], 300),
    settled: tree => exists(tree, '/admin/delete_topics/doomed') && exists(tree, '/brokers/topics/doomed'),
  },
  {
    name: 'the follower is back: it may not lead, until somebody asks for an unclean election',
    run: async side => {
      await side.start(0)
      await side.until(tree => isrSize(tree, 'wide', 1) === 2)
      return electUncleanly(side, 'uneven', 0)
    },
    settled: tree => stateOf(tree, 'uneven', 0)?.leader === 0 && stateOf(tree, 'uneven', 0)?.isr.join() === '0',
  },
  {
    name: 'the killed one is back: it follows, and the deletion ends',
    run: side => side.start(2),
    settled: tree =>
      areInSync(tree, 'uneven', [2]) &&
      areInSync(tree, 'wide', [2, 3, 3, 3]) &&
      !exists(tree, '/admin/delete_topics/doomed') &&
      !exists(tree, '/brokers/topics/doomed'),
  },
]
