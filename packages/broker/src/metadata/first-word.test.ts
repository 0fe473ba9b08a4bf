import { describe, expect, test } from '@jest/globals'
import { updateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import { emptyOf } from '@millrace/protocol/schema'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { FirstWord } from './first-word.ts'
import { MetadataCache } from './metadata-cache.ts'

const partitionState = {
  ...{ partitionIndex: 0, controllerEpoch: 1, leader: 1, leaderEpoch: 0, zkVersion: 0, topicName: '' },
  ...{ isr: [1], replicas: [1], offlineReplicas: [] },
}
const topics = [{ topicName: 't', topicId: 'abcdefghijklmnopqrstuA', partitionStates: [partitionState] }]

describe('questions to a broker that has just started', () => {
  /** `expected`: the topics in ZooKeeper. */
  function started(...expected: string[]) {
    const time = new VirtualTime()
    const metadata = new MetadataCache(time)
    metadata.expect(expected)
    const firstWord = new FirstWord(metadata)
    let isAnswered = false
    const ask = (): void => {
      const waiting = firstWord.wait()
      if (waiting === null) isAnswered = true
      else void waiting.then(() => (isAnswered = true))
    }
    const say = (topicStates: typeof topics | []): void =>
      void metadata.apply({ ...emptyOf(updateMetadataRequest), controllerId: 1, controllerEpoch: 1, topicStates })
    return { time, ask, say, firstWord, isAnswered: () => isAnswered }
  }

  test('there are no topics: wait until the controller names itself', async () => {
    const { time, ask, say, isAnswered } = started()
    ask()
    await time.run(100)
    expect(isAnswered()).toBe(false)
    say([])
    await time.run(0)
    expect(isAnswered()).toBe(true)
  })

  test('there are topics, be their logs here or not: wait for them, which follow the first word of a new controller', async () => {
    const { time, ask, say, isAnswered, firstWord } = started('t', 'of another broker')
    ask()
    say([])
    await time.run(100)
    expect(isAnswered()).toBe(false)
    say(topics)
    await time.run(0)
    expect(isAnswered()).toBe(true)
    expect(firstWord.wait()).toBeNull()
  })

  test('no word within three seconds, or topics of which nobody tells: answered all the same, and nobody waits again', async () => {
    const { time, ask, say, isAnswered, firstWord } = started('deleted')
    ask()
    say([])
    await time.run(2_900)
    expect(isAnswered()).toBe(false)
    await time.run(200)
    expect(isAnswered()).toBe(true)
    expect(firstWord.wait()).toBeNull()
  })
})
