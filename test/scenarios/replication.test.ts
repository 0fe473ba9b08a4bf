import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { deleteRecordsRequest, deleteRecordsResponse } from '@millrace/protocol/messages/21-delete-records'
import {
  offsetForLeaderEpochRequest,
  offsetForLeaderEpochResponse,
} from '@millrace/protocol/messages/23-offset-for-leader-epoch'
import { emptyOf } from '@millrace/protocol/schema'
import { startCluster, type Cluster, type ClusterBroker } from '@millrace/testing/cluster/cluster'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'

// Three brokers in this process: sockets, files and time are real, the coordination service is inside.

let cluster: Cluster
let client: ClusterClient

beforeAll(async () => {
  cluster = await startCluster({
    properties: {
      'controlled.shutdown.enable': 'false',
      'zookeeper.session.timeout.ms': '2000',
    },
  })
  client = new ClusterClient(() => cluster.brokers)
}, 30_000)

afterAll(async () => {
  await client.close()
  await cluster.close()
}, 30_000)

function broker(id: number): ClusterBroker {
  return cluster.brokers.find(each => each.id === id)!
}

/** All `.log` bytes of the replica on this broker, as they are in its folder. */
function logBytes(id: number, topic: string, partition: number): Buffer {
  const folder = join(broker(id).logDir, `${topic}-${partition}`)
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.log'))
    .sort()
  return Buffer.concat(files.map(name => readFileSync(join(folder, name))))
}

function isInSync(topic: string, count: number): Promise<void> {
  const allIn = async (): Promise<boolean> => (await client.partition(topic, 0)).inSyncReplicas.length === count
  return client.until(`${count} in-sync replicas of ${topic}`, allIn)
}

function isIdentical(topic: string, ids: readonly number[]): Promise<void> {
  const allSame = (): Promise<boolean> => {
    const [first, ...others] = ids.map(id => logBytes(id, topic, 0))
    return Promise.resolve(others.every(bytes => bytes.equals(first!)))
  }
  return client.until(`identical logs of ${topic}`, allSame)
}

describe('three replicas', () => {
  test('produce: acks=all: every replica holds the same bytes, and consumers read them', async () => {
    await client.createTopic('same', {})
    const sent = Array.from({ length: 50 }, (_, index) => `value ${index}`)
    for (const value of sent) {
      const outcome = await client.produce('same', 0, [value])
      expect(outcome.errorCode).toBe(ErrorCode.NONE)
    }
    // Acknowledged means that all of the in-sync set have it: no waiting here.
    const logs = [1, 2, 3].map(id => logBytes(id, 'same', 0))
    expect(logs[0]!.length).toBeGreaterThan(0)
    expect(logs.every(bytes => bytes.equals(logs[0]!))).toBe(true)
    const read = await client.readAll('same', 0)
    expect(read.map(({ value }) => value)).toEqual(sent)
  })

  test('fetch: from a follower: up to its own high watermark, which follows', async () => {
    await client.createTopic('near', {})
    await client.produce('near', 0, ['a', 'b', 'c'])
    const { leader, replicas } = await client.partition('near', 0)
    const follower = replicas.find(id => id !== leader)!
    const seesAll = async (): Promise<boolean> => (await client.readAll('near', 0, { brokerId: follower })).length === 3
    await client.until('all visible at the follower', seesAll)
  })

  test('leader killed: another leads, nothing acknowledged is lost; the old one cuts what is not history and is in sync again', async () => {
    await client.createTopic('moved', { configs: { 'min.insync.replicas': '2' } })
    const acked: string[] = []
    const produce = async (value: string): Promise<void> => {
      await client.produceUntilAcked('moved', 0, [value], 10_000)
      acked.push(value)
    }
    for (let index = 0; index < 20; index++) await produce(`before ${index}`)
    const { leader: old, leaderEpoch } = await client.partition('moved', 0)
    // Written by the leader and by nobody else: what it holds alone when it dies is not history.
    await Promise.all([
      client.produce('moved', 0, ['never acknowledged by all'], { acks: 1, brokerId: old }),
      broker(old).kill(),
    ]).catch(() => {})
    for (let index = 0; index < 20; index++) await produce(`after ${index}`)
    const now = await client.partition('moved', 0)
    expect(now.leader).not.toBe(old)
    expect(now.leaderEpoch).toBeGreaterThan(leaderEpoch)

    await broker(old).start()
    await isInSync('moved', 3)
    await produce('together again')
    await isIdentical('moved', [1, 2, 3])
    const read = (await client.readAll('moved', 0)).map(({ value }) => value)
    expect(acked.filter(value => !read.includes(value))).toEqual([])
    // Each attempt that was not answered may have been written: order is kept, but for repetitions.
    const firsts = acked.map(value => read.indexOf(value))
    expect(firsts).toEqual([...firsts].sort((a, b) => a - b))
  }, 30_000)

  test('old leader with records of its own: truncated by epoch, not by high watermark', async () => {
    await client.createTopic('diverged', {})
    for (let index = 0; index < 5; index++) await client.produceUntilAcked('diverged', 0, [`common ${index}`], 10_000)
    const { leader: old, replicas } = await client.partition('diverged', 0)
    const followers = replicas.filter(id => id !== old)
    // Alone for a moment: the followers are gone before the leader writes on, and come back without it.
    for (const id of followers) await broker(id).kill({ expireSession: false })
    const alone = await client.produce('diverged', 0, ['alone 1', 'alone 2'], { acks: 1, brokerId: old })
    expect(alone).toEqual({ errorCode: ErrorCode.NONE, baseOffset: 5 })
    await broker(old).kill()
    for (const id of followers) await broker(id).start()
    await client.until(
      'another leader',
      async () => followers.includes((await client.partition('diverged', 0)).leader),
      15_000,
    )
    await client.produceUntilAcked('diverged', 0, ['other 1'], 10_000)
    const other = logBytes((await client.partition('diverged', 0)).leader, 'diverged', 0)
    await broker(old).start()
    await isInSync('diverged', 3)
    await isIdentical('diverged', [1, 2, 3])
    expect(logBytes(old, 'diverged', 0).equals(other)).toBe(true)
    const read = (await client.readAll('diverged', 0)).map(({ value }) => value)
    expect(read.slice(0, 5)).toEqual([0, 1, 2, 3, 4].map(index => `common ${index}`))
    expect(read.slice(5).every(value => value === 'other 1')).toBe(true)
  }, 40_000)
})

describe('min.insync.replicas', () => {
  test('too few in the set: NOT_ENOUGH_REPLICAS and nothing is written; acks=1 goes on but is not visible', async () => {
    await client.createTopic('strict', { configs: { 'min.insync.replicas': '3' } })
    await client.produceUntilAcked('strict', 0, ['all three'], 10_000)
    const { leader, replicas } = await client.partition('strict', 0)
    const follower = replicas.find(id => id !== leader)!
    await broker(follower).kill()
    await client.until(
      'a smaller set',
      async () => (await client.partition('strict', 0, leader)).inSyncReplicas.length === 2,
    )
    const refused = await client.produce('strict', 0, ['two are too few'], { brokerId: leader })
    expect(refused.errorCode).toBe(ErrorCode.NOT_ENOUGH_REPLICAS)
    const bold = await client.produce('strict', 0, ['acks=1'], { acks: 1, brokerId: leader })
    expect(bold).toEqual({ errorCode: ErrorCode.NONE, baseOffset: 1 })
    // Written, and not committed by as many as acks=all asks for: consumers do not see it yet.
    expect((await client.readAll('strict', 0)).map(({ value }) => value)).toEqual(['all three'])
    await broker(follower).start()
    await isInSync('strict', 3)
    const seesBoth = async (): Promise<boolean> => (await client.readAll('strict', 0)).length === 2
    await client.until('committed by three', seesBoth)
  }, 30_000)
})

describe('what leaders are asked', () => {
  test('DeleteRecords: answered when every live replica has let go', async () => {
    await client.createTopic('trimmed', {})
    await client.produce('trimmed', 0, ['a', 'b', 'c', 'd'])
    const { leader } = await client.partition('trimmed', 0)
    const { topics } = await client.ask(leader, deleteRecordsRequest, deleteRecordsResponse, {
      topics: [{ name: 'trimmed', partitions: [{ partitionIndex: 0, offset: 3 }] }],
      timeoutMs: 10_000,
    })
    expect(topics[0]!.partitions[0]).toEqual({ partitionIndex: 0, lowWatermark: 3, errorCode: ErrorCode.NONE })
    expect((await client.readAll('trimmed', 0, { fromOffset: 3 })).map(({ value }) => value)).toEqual(['d'])
  })

  test('OffsetForLeaderEpoch: the present epoch ends at the end of the log', async () => {
    await client.createTopic('epochs', {})
    await client.produce('epochs', 0, ['a', 'b'])
    const { leader, leaderEpoch } = await client.partition('epochs', 0)
    const { topics } = await client.ask(leader, offsetForLeaderEpochRequest, offsetForLeaderEpochResponse, {
      ...emptyOf(offsetForLeaderEpochRequest),
      topics: [{ topic: 'epochs', partitions: [{ partition: 0, currentLeaderEpoch: leaderEpoch, leaderEpoch }] }],
    })
    expect(topics[0]!.partitions[0]).toEqual({ partition: 0, errorCode: ErrorCode.NONE, leaderEpoch, endOffset: 2 })
  })
})
