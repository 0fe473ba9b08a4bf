import { afterAll, describe, expect, test } from '@jest/globals'
import { Replay } from './controller-replay.ts'

const replay = new Replay()
const { recording } = replay

afterAll(() => replay.cluster.close())

/** The steps of the recording, in order: each test goes on where the last one ended. */
const steps: readonly { readonly step: number; readonly act: () => Promise<unknown> }[] = [
  { step: 2, act: () => replay.start(0) },
  { step: 3, act: () => replay.start(1) },
  { step: 4, act: () => replay.start(2) },
  { step: 5, act: () => replay.createTopics(5, 'orders') },
  { step: 6, act: () => replay.createTopics(6, 'solo', 'manual') },
  {
    step: 7,
    act: async () => {
      await replay.setTopic(7, 'orders')
      await replay.setTopic(7, 'manual')
    },
  },
  { step: 22, act: () => replay.createTopics(22, '__transaction_state') },
  { step: 23, act: () => replay.createTopics(23, '__consumer_offsets') },
  { step: 24, act: () => replay.proposeIsrs(24) },
  { step: 25, act: () => replay.proposeIsrs(25) },
  { step: 26, act: () => replay.cluster.kill(1) },
  { step: 27, act: () => replay.markForDeletion('manual') },
  {
    step: 28,
    act: async () => {
      await replay.start(1)
      await replay.proposeIsrs(28)
    },
  },
  { step: 29, act: () => replay.electLeaders('preferred', null) },
  { step: 30, act: () => replay.createTopics(30, 'move') },
  { step: 32, act: () => replay.reassign('move', [1, 2]) },
  { step: 33, act: () => replay.proposeIsrs(33) },
  { step: 34, act: () => replay.reassign('move', [0, 2]) },
  { step: 35, act: () => replay.reassign('move', null) },
  { step: 36, act: () => replay.markForDeletion('move') },
  { step: 37, act: () => replay.shutDown(1) },
  {
    step: 38,
    act: async () => {
      await replay.start(1)
      await replay.proposeIsrs(38)
    },
  },
  {
    step: 39,
    act: () => {
      replay.candidate = 2
      return replay.cluster.kill(0)
    },
  },
  { step: 40, act: () => replay.createTopics(40, 'late') },
  {
    step: 41,
    act: async () => {
      await replay.start(0)
      await replay.proposeIsrs(41)
    },
  },
  {
    step: 42,
    act: () => {
      replay.candidate = 1
      return replay.deleteControllerZnode()
    },
  },
  { step: 43, act: () => replay.createTopics(43, 'single', 'pair') },
  { step: 44, act: () => replay.shutDown(0) },
  { step: 45, act: () => replay.cluster.kill(2) },
  {
    step: 46,
    act: async () => {
      await replay.start(0)
      await replay.proposeIsrs(46)
    },
  },
  { step: 47, act: () => replay.electLeaders('unclean', [{ topic: 'pair', partition: 0 }]) },
  {
    step: 48,
    act: async () => {
      await replay.start(2)
      await replay.proposeIsrs(48)
    },
  },
  {
    step: 50,
    act: () => {
      replay.candidate = 0
      return replay.shutDown(1)
    },
  },
  {
    step: 51,
    act: async () => {
      replay.candidate = 2
      await replay.shutDown(0)
    },
  },
]

describe('controller: the steps of a recorded cluster: the same znodes and requests as Kafka', () => {
  for (const { step, act } of steps) {
    test(`step ${step} ${recording.steps.get(step)!.name}`, async () => {
      await act()
      await replay.cluster.settle()
      const tree = await replay.tree()
      // Broker 1 was stopped in step 24: what it was sent then it got in step 25.
      const got = step === pausedStep ? [] : brokerIds.map(id => ({ id, requests: replay.takeRequests(id) }))
      expect(entries(tree)).toEqual(entries(recording.tree(step)))
      for (const { id, requests } of got) {
        const recorded = recording.requests(step === pausedStep + 1 ? [pausedStep, step] : [step], id)
        // A broker that leaves hears less with Kafka: it does not wait for the last of it.
        const heard = replay.cluster.brokers.has(id)
          ? requests
          : new Set([...requests].filter(each => recorded.has(each)))
        expect({ id, requests: [...heard].sort() }).toEqual({ id, requests: [...recorded].sort() })
      }
    })
  }
})

const brokerIds = [0, 1, 2]
const pausedStep = 24

const entries = (tree: ReadonlyMap<string, string>): Record<string, string> =>
  Object.fromEntries([...tree].sort(([left], [right]) => (left < right ? -1 : 1)))
