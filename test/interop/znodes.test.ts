import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { describeWith } from '../oracles/describe-with.ts'
import { startZooKeeper, type ZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'
import { Side } from './znodes/side.ts'
import { steps, type Step } from './znodes/steps.ts'
import type { ComparedZnode, Tree } from './znodes/tree.ts'
import { recordedTree } from './znodes/vector.ts'

jest.setTimeout(180_000)

/**
 * The same operations on three brokers of Millrace and on three of Kafka, on one ZooKeeper. After each step the trees must be
 * the same, and as Kafka's was when `vectors/znodes.json` was recorded, where the step is one of those.
 */
describeWith(['kafka'], 'znodes beside a real Kafka', () => {
  let zookeeper: ZooKeeperEnsemble
  let sides: readonly Side[] = []
  beforeAll(async () => {
    zookeeper = await startZooKeeper()
    sides = await Promise.all([
      Side.open('kafka', zookeeper.connectString),
      Side.open('millrace', zookeeper.connectString),
    ])
  })
  afterAll(async () => {
    await Promise.all(sides.map(side => side.close()))
    await zookeeper?.stop()
  })

  const applied: number[] = []
  test.each(steps.map(step => [step.name, step] as const))('%s', async (_, step) => {
    const [byKafka, byMillrace] = await Promise.all(sides.map(side => step.run(side)))
    expect(byMillrace).toEqual(byKafka)
    if (step.recorded !== undefined) applied.push(step.recorded)

    // Deletions and elections go on after the answer: the trees are read again until they are as they should be.
    const deadlineMs = Date.now() + 15_000
    let [kafka, millrace] = await settledTrees(step)
    while (!(isAsRecorded(step, millrace!) && isDeepStrictEqual(millrace, kafka)) && Date.now() < deadlineMs) {
      await new Promise(resolve => setTimeout(resolve, 100))
      ;[kafka, millrace] = await settledTrees(step)
    }
    expect(millrace).toEqual(kafka)
    if (step.recorded !== undefined) expect(chosen(step, millrace!)).toEqual(chosen(step, expected(step)))
  })

  async function settledTrees(step: Step): Promise<Tree[]> {
    await Promise.all(sides.map(side => side.until(tree => step.settled?.(tree) ?? true)))
    const trees = await Promise.all(sides.map(side => side.tree()))
    return step.recorded === 42 ? trees.map(withoutWinner) : trees
  }
  const expected = (step: Step): Tree => {
    const tree = recordedTree(applied, step.recorded!)
    return step.recorded === 42 ? withoutWinner(tree) : tree
  }
  const isAsRecorded = (step: Step, tree: Tree): boolean =>
    step.recorded === undefined || isDeepStrictEqual(chosen(step, tree), chosen(step, expected(step)))
})

const chosen = ({ alike }: Step, tree: Tree): Tree =>
  alike === undefined ? tree : Object.fromEntries(Object.entries(tree).filter(([path]) => alike.test(path)))

/** After a race any broker may be the controller, if only it is the one that the znode names. */
function withoutWinner(tree: Tree): Tree {
  const controller = tree['/controller'] as ComparedZnode
  const data = controller.data as { readonly brokerid: number }
  if (controller.owner !== `broker ${data.brokerid}`) return tree
  return { ...tree, '/controller': { ...controller, owner: 'the winner', data: { ...data, brokerid: 'its owner' } } }
}
