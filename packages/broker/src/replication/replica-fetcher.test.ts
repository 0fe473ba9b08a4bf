import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Connection } from '@millrace/client/connection/connection'
import { ErrorCode } from '@millrace/protocol/errors'
import { setBaseOffset, setPartitionLeaderEpoch } from '@millrace/protocol/records/record-batch'
import { silentLogger } from '@millrace/runtime/logger'
import { ScriptedLeader, type Row } from '@millrace/testing/replication/scripted-leader'
import { batchOf, valuesOf } from '@millrace/testing/world/log-records'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { VirtualNetwork } from '@millrace/testing/world/virtual-network'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { Partition } from './partition.ts'
import { ReplicaFetchers } from './replica-fetchers.ts'

const backoffMs = 1000
const maxWaitMs = 500
const requestTimeoutMs = 30_000
const latencyMs = 1
const ids: Record<string, string> = { a: 'aaaaaaaaaaaaaaaaaaaaaA', b: 'bbbbbbbbbbbbbbbbbbbbbA' }

let time: VirtualTime
let logs: MemoryLogs
let leader: ScriptedLeader
let fetchers: ReplicaFetchers
let isLeaderKnown = true
let fatal: Error[] = []
/** Topics that have to wait for bandwidth. */
const throttled = new Set<string>()
let noted: [string, number][] = []

beforeEach(async () => {
  time = new VirtualTime()
  logs = await MemoryLogs.open({ time })
  const network = new VirtualNetwork(time, { latencyMs })
  leader = new ScriptedLeader(network)
  await leader.start()
  isLeaderKnown = true
  fatal = []
  throttled.clear()
  noted = []
  const ports = { transport: network, clock: time, timers: time }
  fetchers = new ReplicaFetchers({
    brokerId: 1,
    brokerEpoch: () => 41,
    metadata: {
      endpoint: () =>
        isLeaderKnown ? { listener: 'L', host: leader.host, port: leader.port, securityProtocol: 0 } : undefined,
    },
    listener: 'L',
    fetchersPerLeader: () => 1,
    settings: {
      ...{ partitionMaxBytes: 1000, responseMaxBytes: 5000, minBytes: 1 },
      ...{ maxWaitMs, backoffMs, requestTimeoutMs },
    },
    throttle: {
      holds: ({ topic }) => throttled.has(topic),
      note: ({ topic }, bytes) => void noted.push([topic, bytes]),
    },
    ports,
    open: (options, signal) => Connection.open({ ...options, connectTimeoutMs: 5000 }, ports, signal),
    logger: silentLogger,
    onFatal: error => fatal.push(error),
  })
})

afterEach(async () => {
  const closed = fetchers.close()
  await time.run(10)
  await closed
  await logs.close()
  expect(fatal).toEqual([])
})

/** A replica that follows broker 2, with these values of leader epoch 0 in its log. */
function replica(topic: string, own: readonly string[] = [], leaderEpoch = 0): Partition {
  const log = logs.directories.create({ topic, partition: 0, topicId: ids[topic]!, isNew: true })
  own.forEach((value, offset) => log.appendAsFollower(record(value, offset), 0))
  log.commit()
  const partition = new Partition({ brokerId: 1, topic, partition: 0, monotonicMs: () => time.monotonicMs() })
  become(partition, leaderEpoch)
  return partition
}

function become(partition: Partition, leaderEpoch: number): void {
  partition.becomeFollower(
    {
      ...{ controllerEpoch: 1, leader: 2, leaderEpoch, partitionEpoch: leaderEpoch },
      ...{ inSyncReplicas: [1, 2], replicas: [1, 2], brokerEpoch: 41 },
    },
    logs.log(partition.topic),
  )
}

/** A batch as the leader has it. */
function record(value: string, offset: number, leaderEpoch = 0): Buffer {
  const batch = batchOf({ values: [value] })
  setBaseOffset(batch, 0, offset)
  setPartitionLeaderEpoch(batch, 0, leaderEpoch)
  return batch
}

const rowOf = (topic: string, row: Row = {}): Row => ({ topicId: ids[topic]!, ...row })

/** Until a request that was sent now has arrived; connecting takes as long again. */
const arrive = (): Promise<void> => time.run(4 * latencyMs)

describe('a follower', () => {
  test('fetches with its settings and the epoch of its broker', async () => {
    fetchers.follow(replica('a', ['own']))
    await arrive()
    const { topics, ...head } = leader.fetch()
    expect(head).toMatchObject({
      ...{
        version: 17,
        clientId: 'broker-1-fetcher-0',
        replicaId: -1,
        replicaState: { replicaId: 1, replicaEpoch: 41 },
      },
      ...{ minBytes: 1, maxBytes: 5000, maxWaitMs, sessionId: 0, sessionEpoch: 0, isolationLevel: 0 },
    })
    expect(topics[0]).toMatchObject({ topicId: ids['a'] })
    expect(topics[0]!.partitions[0]).toMatchObject({
      ...{ partition: 0, currentLeaderEpoch: 0, fetchOffset: 1, lastFetchedEpoch: 0 },
      ...{ logStartOffset: 0, partitionMaxBytes: 1000 },
    })
  })

  test('records: appended as they are; the next fetch says so when they are written', async () => {
    const partition = replica('a')
    fetchers.follow(partition)
    await arrive()
    const records = Buffer.concat([record('x', 0), record('y', 1)])
    leader.answer([rowOf('a', { records, highWatermark: 1 })])
    await arrive()
    expect(valuesOf(partition.log)).toEqual(['0:x', '1:y'])
    expect(partition.highWatermark).toBe(1)
    expect(leader.fetch()).toMatchObject({ sessionId: 77, sessionEpoch: 1 })
    expect(leader.fetched()).toEqual(['a-0@2'])
    leader.answer([rowOf('a', { highWatermark: 2, logStartOffset: 1 })])
    await arrive()
    expect(partition.offsets()).toMatchObject({ highWatermark: 2, logStartOffset: 1 })
    // Where its log begins now is news for the leader.
    expect(leader.fetch().topics[0]!.partitions[0]).toMatchObject({ fetchOffset: 2, logStartOffset: 1 })
  })

  test('an answer without news: the next fetch names nothing', async () => {
    fetchers.follow(replica('a', ['own']))
    await arrive()
    leader.answer([rowOf('a')])
    await arrive()
    leader.answer([])
    await arrive()
    expect(leader.fetch()).toMatchObject({ sessionEpoch: 2, topics: [], forgottenTopicsData: [] })
  })

  test('diverging epoch: truncates, uses nothing of the answer, and asks again from there', async () => {
    const partition = replica('a', ['common', 'own 1', 'own 2'], 3)
    fetchers.follow(partition)
    await arrive()
    leader.answer([
      rowOf('a', { divergingEpoch: { epoch: 0, endOffset: 1 }, highWatermark: 9, records: record('no', 3) }),
    ])
    await arrive()
    expect(valuesOf(partition.log)).toEqual(['0:common'])
    expect(partition.highWatermark).toBe(0)
    expect(leader.fetched()).toEqual(['a-0@1'])
  })

  test('a log without epochs: begins at its high watermark', async () => {
    const partition = replica('a')
    fetchers.follow(partition)
    await arrive()
    expect(leader.fetch().topics[0]!.partitions[0]).toMatchObject({ fetchOffset: 0, lastFetchedEpoch: -1 })
  })

  test('out of range, the leader ends before us: truncates to its end', async () => {
    const partition = replica('a', ['1', '2', '3'])
    fetchers.follow(partition)
    await arrive()
    leader.answer([rowOf('a', { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE })])
    await arrive()
    const [asked] = leader.listOffsets().topics[0]!.partitions
    expect(leader.listOffsets().replicaId).toBe(1)
    expect(asked).toMatchObject({ timestamp: -1, currentLeaderEpoch: 0 })
    leader.answerOffset(1)
    await arrive()
    expect(valuesOf(partition.log)).toEqual(['0:1'])
    expect(leader.fetched()).toEqual(['a-0@1'])
  })

  test('out of range, the leader begins after our end: begins there', async () => {
    const partition = replica('a', ['1'])
    fetchers.follow(partition)
    await arrive()
    leader.answer([rowOf('a', { errorCode: ErrorCode.OFFSET_OUT_OF_RANGE })])
    await arrive()
    leader.answerOffset(50)
    await arrive()
    expect(leader.listOffsets().topics[0]!.partitions[0]).toMatchObject({ timestamp: -2 })
    leader.answerOffset(20)
    await arrive()
    expect(partition.offsets()).toMatchObject({ logStartOffset: 20, logEndOffset: 20 })
    expect(leader.fetched()).toEqual(['a-0@20'])
  })

  test('damaged records: nothing is appended, and it asks again', async () => {
    const partition = replica('a')
    fetchers.follow(partition)
    await arrive()
    const damaged = record('x', 0)
    damaged[damaged.length - 1]! ^= 1
    leader.answer([rowOf('a', { records: damaged })])
    await time.run(20)
    expect(valuesOf(partition.log)).toEqual([])
    expect(leader.fetched()).toEqual(['a-0@0'])
  })
})

describe('errors of one partition', () => {
  test('not the leader: pauses of 10, 20, 40 ms… while others go on, up to replica.fetch.backoff.ms', async () => {
    fetchers.follow(replica('a'))
    fetchers.follow(replica('b'))
    await arrive()
    const pauses: number[] = []
    for (let round = 0; round < 9; round++) {
      leader.answer([rowOf('a', { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER })])
      const refusedMs = time.monotonicMs()
      await arrive()
      // The others' fetch waits no longer than the pause.
      for (;;) {
        const { topics, maxWaitMs: waitMs } = leader.fetch()
        if (topics.some(({ topicId }) => topicId === ids['a'])) break
        await time.run(Math.max(1, waitMs - latencyMs))
        leader.answer([])
        await arrive()
      }
      pauses.push(time.monotonicMs() - refusedMs)
    }
    const expected = [10, 20, 40, 80, 160, 320, 640, 1000, 1000]
    pauses.forEach((pause, index) => {
      expect(pause).toBeGreaterThanOrEqual(expected[index]!)
      expect(pause).toBeLessThan(expected[index]! + 25)
    })
  })

  test('fenced: nothing more is asked for it in this epoch; in the next it is', async () => {
    const [first, second] = [replica('a'), replica('b')]
    fetchers.follow(first)
    fetchers.follow(second)
    await arrive()
    leader.answer([rowOf('a', { errorCode: ErrorCode.FENCED_LEADER_EPOCH })])
    await arrive()
    expect(leader.fetch().forgottenTopicsData).toEqual([{ topic: '', topicId: ids['a'], partitions: [0] }])
    leader.answer([])
    await time.run(5000)
    expect(leader.fetch().topics).toEqual([])
    become(first, 1)
    fetchers.follow(first)
    await time.run(200)
    const asked = leader.fetch().topics.find(({ topicId }) => topicId === ids['a'])
    expect(asked?.partitions[0]).toMatchObject({ currentLeaderEpoch: 1 })
  })

  test('not followed any more while its fetch is under way: the answer is not used', async () => {
    const partition = replica('a')
    fetchers.follow(partition)
    fetchers.follow(replica('b'))
    await arrive()
    fetchers.unfollow(partition)
    leader.answer([rowOf('a', { records: record('x', 0), highWatermark: 1 })])
    await arrive()
    expect(valuesOf(partition.log)).toEqual([])
    expect(leader.fetched()).toEqual(['b-0@0'])
    expect(leader.fetch().sessionEpoch).toBe(0)
  })

  test('another epoch while its fetch is under way: the answer to the old one is not used', async () => {
    const partition = replica('a')
    fetchers.follow(partition)
    await arrive()
    become(partition, 1)
    fetchers.follow(partition)
    leader.answer([rowOf('a', { records: record('x', 0), highWatermark: 1 })])
    await arrive()
    expect(valuesOf(partition.log)).toEqual([])
    expect(leader.fetch().topics[0]!.partitions[0]).toMatchObject({ currentLeaderEpoch: 1, fetchOffset: 0 })
  })
})

describe('the way to the leader', () => {
  test('a partition that is added while a fetch waits: fetched within milliseconds', async () => {
    fetchers.follow(replica('a'))
    await arrive()
    expect(leader.fetched()).toEqual(['a-0@0'])
    fetchers.follow(replica('b'))
    await time.run(15)
    expect(leader.fetch()).toMatchObject({ sessionId: 0, sessionEpoch: 0 })
    expect(leader.fetched()).toEqual(['a-0@0', 'b-0@0'])
    expect(leader.connectionCount).toBe(2)
  })

  test('many partitions that are added one by one: a fetch is given up once, then each waits so briefly that there is no need', async () => {
    fetchers.follow(replica('a'))
    await arrive()
    expect(leader.fetch().maxWaitMs).toBe(maxWaitMs)
    const named = new Set<string>()
    for (let index = 0; index < 30; index++) {
      const topicId = `many${String(index).padStart(17, 'x')}A`
      ids[`many-${index}`] = topicId
      fetchers.follow(replica(`many-${index}`))
      await time.run(10)
      if (index === 0) continue
      expect(leader.fetch().maxWaitMs).toBe(20)
      for (const { topicId: id } of leader.fetch().topics) named.add(id)
      leader.answer([])
    }
    expect(leader.connectionCount).toBe(2)
    await time.run(10)
    for (const { topicId } of leader.fetch().topics) named.add(topicId)
    expect(named.size).toBe(31)
    leader.answer([])
    await time.run(1000)
    leader.answer([])
    await arrive()
    expect(leader.fetch().maxWaitMs).toBe(maxWaitMs)
  })

  test('partitions of one turn: one fetch', async () => {
    fetchers.follow(replica('a'))
    fetchers.follow(replica('b'))
    await arrive()
    expect(leader.fetched()).toEqual(['a-0@0', 'b-0@0'])
    expect(leader.connectionCount).toBe(1)
  })

  test('the leader dies and comes back: all partitions, in a new session', async () => {
    fetchers.follow(replica('a'))
    await arrive()
    leader.answer([rowOf('a')])
    await arrive()
    await leader.stop()
    await time.run(3000)
    await leader.start()
    await time.run(backoffMs + 10)
    expect(leader.fetch()).toMatchObject({ sessionId: 77, sessionEpoch: 0 })
    expect(leader.fetched()).toEqual(['a-0@0'])
  })

  test('the leader is not known yet: found when it is', async () => {
    isLeaderKnown = false
    fetchers.follow(replica('a'))
    await time.run(100)
    expect(leader.connectionCount).toBe(0)
    isLeaderKnown = true
    await time.run(200)
    expect(leader.fetched()).toEqual(['a-0@0'])
  })

  test('the leader is silent: given up after replica.socket.timeout.ms and the wait', async () => {
    fetchers.follow(replica('a'))
    await arrive()
    await time.run(requestTimeoutMs + maxWaitMs - 10)
    expect(leader.connectionCount).toBe(1)
    await time.run(50)
    expect(leader.connectionCount).toBe(2)
    expect(leader.fetched()).toEqual(['a-0@0'])
  })

  test('nothing left to follow: the connection ends', async () => {
    const partition = replica('a')
    fetchers.follow(partition)
    await arrive()
    expect(fetchers.fetcherCount).toBe(1)
    fetchers.unfollow(partition)
    await arrive()
    expect(fetchers.fetcherCount).toBe(0)
    expect(() => leader.fetch()).toThrow()
  })

  test('the leader forgot the session: asks for all in a new one', async () => {
    fetchers.follow(replica('a'))
    await arrive()
    leader.answer([rowOf('a')])
    await arrive()
    leader.answer([], { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND, sessionId: 0 })
    await arrive()
    expect(leader.fetch()).toMatchObject({ sessionId: 0, sessionEpoch: 0 })
    expect(leader.fetched()).toEqual(['a-0@0'])
  })
})

describe('throttled replicas (KIP-73)', () => {
  test('one that is behind: left out of fetches while it must wait, the others are not', async () => {
    fetchers.follow(replica('a'))
    fetchers.follow(replica('b', ['has all']))
    await arrive()
    throttled.add('a').add('b')
    const rows = [rowOf('a', { highWatermark: 5 }), rowOf('b', { highWatermark: 1 })]
    leader.answer(rows)
    await arrive()
    expect(leader.fetch().forgottenTopicsData).toEqual([{ topic: '', topicId: ids['a'], partitions: [0] }])
    // Looked at again soon, although nothing else has happened.
    expect(leader.fetch().maxWaitMs).toBeLessThanOrEqual(50)
    await time.run(50)
    throttled.clear()
    leader.answer([])
    await arrive()
    expect(leader.fetched()).toEqual(['a-0@0'])
  })

  test('what came is counted', async () => {
    fetchers.follow(replica('a'))
    await arrive()
    const records = record('x', 0)
    leader.answer([rowOf('a', { records, highWatermark: 1 })])
    await arrive()
    expect(noted).toEqual([['a', records.length]])
  })
})
