import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '@millrace/protocol/messages/34-alter-replica-log-dirs'
import { describeLogDirsRequest, describeLogDirsResponse } from '@millrace/protocol/messages/35-describe-log-dirs'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'
import { valuesOf } from '@millrace/testing/world/log-records'

let broker: LoneBroker
beforeEach(async () => {
  broker = await LoneBroker.open({ 'log.dirs': '/a,/b,/c' })
})
afterEach(() => broker.close())

async function alter(path: string, topic = 't', partition = 0, version = 2): Promise<string> {
  const request = { dirs: [{ path, topics: [{ name: topic, partitions: [partition] }] }] }
  const { results } = await broker.request(alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, version, request)
  expect(results).toHaveLength(1)
  expect(results[0]).toMatchObject({ topicName: topic, partitions: [{ partitionIndex: partition }] })
  return errorName(results[0]!.partitions[0]!.errorCode)
}

/** `/a t-0`, `/b t-0 future lag 3`, `/c offline`. */
async function described(): Promise<string[]> {
  const { results } = await broker.request(describeLogDirsRequest, describeLogDirsResponse, 4, { topics: null })
  return results.flatMap(({ logDir, topics, errorCode }) => [
    ...(errorCode === 0 ? [] : [`${logDir} ${errorName(errorCode)}`]),
    ...topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, isFutureKey, offsetLag }) => {
        return `${logDir} ${name}-${partitionIndex}${isFutureKey ? ' future' : ''}${offsetLag === 0 ? '' : ` lag ${offsetLag}`}`
      }),
    ),
  ])
}

const produce = (values: string[]) =>
  broker.request(produceRequest, produceResponse, 11, produceOf('t', batchOf(values), { acks: 1 }))

async function until(expected: string[]): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (String(await described()) === String(expected)) return
    await new Promise<void>(resolve => broker.world.timers.soon(resolve))
  }
  expect(await described()).toEqual(expected)
}

describe('AlterReplicaLogDirs', () => {
  test.each([0, 1, 2])('v%d: another directory: answered at once, copied, then only there', async version => {
    await broker.createTopic('t')
    await produce(['a', 'b', 'c'])
    expect(await alter('/c', 't', 0, version)).toBe('NONE')
    expect(await described()).toEqual(['/a t-0', '/c t-0 future lag 3'])
    await until(['/c t-0'])
    await produce(['d'])
    expect(valuesOf(broker.logs.get('t', 0)!)).toEqual(['0:a', '1:b', '2:c', '3:d'])
  })

  test('where it is: NONE; while it moves: back to where it is', async () => {
    await broker.createTopic('t')
    await produce(['a'])
    expect(await alter('/a')).toBe('NONE')
    expect(await alter('/b')).toBe('NONE')
    expect(await alter('/b')).toBe('NONE')
    expect(await alter('/c')).toBe('NONE')
    expect(await described()).toEqual(['/a t-0', '/c t-0 future lag 1'])
    expect(await alter('/a')).toBe('NONE')
    expect(await described()).toEqual(['/a t-0'])
  })

  test('directories that are not in log.dirs, topics that nobody has, names too long', async () => {
    await broker.createTopic('t')
    for (const path of ['', 'a', '/d', '/a/', '/a/../b', '/b/t-0']) expect(await alter(path)).toBe('LOG_DIR_NOT_FOUND')
    expect(await alter('/b', 'unknown')).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await alter('/b', 't', 7)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await alter('/b', '../../etc')).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await alter('/b', 't', -1)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await alter('/b', 'x'.repeat(214))).toBe('INVALID_TOPIC_EXCEPTION')
  })

  test('a replica that comes later: REPLICA_NOT_AVAILABLE, and it is made there', async () => {
    await broker.createTopic('t', { partitions: [[2]] })
    expect(await alter('/c')).toBe('REPLICA_NOT_AVAILABLE')
    await broker.createTopic('t', { partitions: [[1]], leaderEpoch: 1 })
    expect(await described()).toEqual(['/c t-0'])
  })

  test('the topic is deleted while it moves: both go', async () => {
    await broker.createTopic('t')
    await produce(['a', 'b'])
    expect(await alter('/b')).toBe('NONE')
    broker.partitions.applyStopReplica([{ topic: 't', partition: 0, leaderEpoch: -2, isDeletion: true }])
    expect(await described()).toEqual([])
    const left = ['/a', '/b'].map(path => broker.files.list(path).filter(name => name.startsWith('t-')))
    expect(left).toEqual([[expect.stringMatching(/-delete$/)], [expect.stringMatching(/-delete$/)]])
  })
})
