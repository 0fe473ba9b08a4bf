import { afterEach, expect, jest, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { leaderAndIsrRequest } from '@millrace/protocol/messages/04-leader-and-isr'
import { updateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import { emptyOf } from '@millrace/protocol/schema'
import { Deadlines } from '@millrace/runtime/deadline'
import { silentLogger } from '@millrace/runtime/logger'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import type { VirtualTime } from '@millrace/testing/world/virtual-time'
import { MetadataCache } from '../metadata/metadata-cache.ts'
import type { Partition } from '../replication/partition.ts'
import { Partitions } from '../replication/partitions.ts'
import { parseBrokerSettings } from '../settings/parse.ts'
import { GroupShard } from '../core/groups/group-shard.ts'
import { GroupCoordinator } from './group-coordinator.ts'

/* How a coordinator writes and loads offsets, on a partition of __consumer_offsets whose other replica does only what the test says. */

const topic = '__consumer_offsets'
let rig: Rig
afterEach(() => rig.close())

class Rig {
  readonly time: VirtualTime
  groups: GroupCoordinator
  readonly #logs: MemoryLogs
  readonly #metadata: MetadataCache
  readonly #partitions: Partitions
  readonly #properties: Readonly<Record<string, string>>
  readonly #deadlines: Deadlines

  static async start(properties: Readonly<Record<string, string>>): Promise<Rig> {
    const made = new Rig(await MemoryLogs.open(), properties)
    const applied = made.#lead()
    await made.time.run()
    await applied
    return made
  }

  private constructor(logs: MemoryLogs, properties: Readonly<Record<string, string>>) {
    this.time = logs.time
    this.#logs = logs
    this.#properties = properties
    this.#metadata = new MetadataCache(this.time)
    this.#deadlines = new Deadlines({ clock: this.time, timers: this.time })
    this.#partitions = new Partitions({
      brokerId: 1,
      logs: logs.directories,
      metadata: this.#metadata,
      clock: this.time,
      timers: this.time,
      logger: silentLogger,
      brokerEpoch: () => 41,
      replication: {
        followers: { follow: () => {}, unfollow: () => {} },
        proposals: { propose: () => {} },
        proof: { mayLead: () => true },
        lagTimeMaxMs: 30_000,
        sessionTimeoutMs: 18_000,
      },
    })
    this.#partitions.start()
    const endpoints = [{ port: 9092, host: 'h', listener: 'L', securityProtocol: 0 }]
    this.#metadata.apply({
      ...emptyOf(updateMetadataRequest),
      liveBrokers: [1, 2].map(id => ({ id, v0Host: '', v0Port: 0, endpoints, rack: null })),
    })
    this.groups = this.#coordinator()
  }

  /** This broker leads, and broker 2 is in sync. */
  async #lead(): Promise<void> {
    const [row] = await this.#partitions.applyLeaderAndIsr({
      ...emptyOf(leaderAndIsrRequest),
      ...{ controllerId: 1, controllerEpoch: 1, brokerEpoch: 41 },
      topicStates: [
        {
          ...{ topicName: topic, topicId: 'abcdefghijklmnopqrstuA' },
          partitionStates: [
            {
              ...{ topicName: '', partitionIndex: 0, controllerEpoch: 1, leader: 1, leaderEpoch: 0, isr: [1, 2] },
              ...{ partitionEpoch: 0, replicas: [1, 2], addingReplicas: [], removingReplicas: [] },
              ...{ isNew: true, leaderRecoveryState: 0 },
            },
          ],
        },
      ],
    })
    expect(row!.errorCode).toBe(ErrorCode.NONE)
  }

  #coordinator(): GroupCoordinator {
    const given = { 'offsets.topic.num.partitions': '1', ...this.#properties }
    const { settings } = parseBrokerSettings(new Map(Object.entries(given)), new Map(), { coordination: 'embedded' })
    const groups = new GroupCoordinator({
      topic,
      settings,
      partitions: this.#partitions,
      metadata: this.#metadata,
      clock: this.time,
      timers: this.time,
      deadlines: this.#deadlines,
      logger: silentLogger,
    })
    groups.start()
    return groups
  }

  get partition(): Partition {
    return this.#partitions.hosted(topic, 0)!
  }

  /** Broker 2 has everything that is written. */
  async followerFetches(): Promise<void> {
    const { logEndOffset } = this.partition.log
    this.partition.onFollowerFetch(
      { brokerId: 2, brokerEpoch: 42, fetchOffset: logEndOffset, logStartOffset: 0 },
      logEndOffset,
    )
    await this.time.run()
  }

  /** Another coordinator on the same log, before it has loaded anything. */
  startAgain(): void {
    this.groups.stop()
    this.groups = this.#coordinator()
  }

  async close(): Promise<void> {
    this.groups.stop()
    this.#partitions.stop()
    this.#metadata.close()
    this.#deadlines.close()
    await this.#logs.close()
    expect(this.time.pending).toBe(0)
  }

  /** Codes arrive in the list when the commit is answered. */
  commit(offset: number, codes: ErrorCode[], groupId = 'g'): void {
    const value = {
      offset,
      leaderEpoch: -1,
      metadata: '',
      commitTimestampMs: this.time.wallMs(),
      expireTimestampMs: -1,
    }
    const offsets = [{ topic: 't', partition: 0, value }]
    const member = { memberId: '', groupInstanceId: null, generationId: -1 }
    this.groups.commitOffsets({ groupId, ...member, offsets }, ({ errorCode }) => codes.push(errorCode))
  }

  committed(groupId = 'g'): number | undefined {
    const offsets = this.groups.offsetsOf(groupId)
    return typeof offsets === 'number' ? undefined : offsets.get('t', 0)?.offset
  }
}

test('offsets.commit.required.acks: -1: answered, and counts, when the other replica has it; 1: when it is written', async () => {
  rig = await Rig.start({})
  const codes: ErrorCode[] = []
  rig.commit(5, codes)
  await rig.time.run(1000)
  expect([codes, rig.committed()]).toEqual([[], undefined])
  await rig.followerFetches()
  expect([codes, rig.committed()]).toEqual([[ErrorCode.NONE], 5])
  await rig.close()

  rig = await Rig.start({ 'offsets.commit.required.acks': '1' })
  codes.length = 0
  rig.commit(5, codes)
  expect(codes).toEqual([])
  await rig.time.run()
  expect([codes, rig.committed()]).toEqual([[ErrorCode.NONE], 5])
})

test('offsets.commit.timeout.ms: who commits is told when it is over, each for itself; what commits later counts all the same', async () => {
  rig = await Rig.start({ 'offsets.commit.timeout.ms': '200' })
  const codes: ErrorCode[] = []
  rig.commit(5, codes)
  await rig.time.run(150)
  rig.commit(6, codes, 'other')
  await rig.time.run(49)
  expect(codes).toEqual([])
  await rig.time.run(1)
  expect([codes, rig.committed()]).toEqual([[ErrorCode.REQUEST_TIMED_OUT], undefined])
  await rig.time.run(149)
  expect(codes).toHaveLength(1)
  await rig.time.run(1)
  expect(codes).toEqual([ErrorCode.REQUEST_TIMED_OUT, ErrorCode.REQUEST_TIMED_OUT])
  await rig.followerFetches()
  expect([codes.length, rig.committed(), rig.committed('other')]).toEqual([2, 5, 6])
})

test('offsets.commit.timeout.ms: commits in time, then one that is not: only that one is told, and no earlier than that', async () => {
  rig = await Rig.start({ 'offsets.commit.timeout.ms': '200' })
  const codes: ErrorCode[] = []
  rig.commit(1, codes)
  await rig.time.run(100)
  await rig.followerFetches()
  rig.commit(2, codes)
  await rig.time.run(199)
  expect(codes).toEqual([ErrorCode.NONE])
  await rig.time.run(1)
  expect([codes, rig.committed()]).toEqual([[ErrorCode.NONE, ErrorCode.REQUEST_TIMED_OUT], 1])
})

test('a coordinator that goes: whoever waits for a write is told once, whatever becomes of the write', async () => {
  rig = await Rig.start({})
  const codes: ErrorCode[] = []
  rig.commit(1, codes)
  rig.commit(2, codes, 'other')
  await rig.time.run()
  rig.startAgain()
  expect(codes).toEqual([ErrorCode.NOT_COORDINATOR, ErrorCode.NOT_COORDINATOR])
  await rig.followerFetches()
  await rig.time.run(60_000)
  expect([codes.length, rig.committed(), rig.committed('other')]).toEqual([2, 1, 2])
})

test('a load of many groups: they get ready some at a time', async () => {
  rig = await Rig.start({ 'offsets.commit.required.acks': '1' })
  const codes: ErrorCode[] = []
  const count = 4_500
  for (let index = 0; index < count; index++) rig.commit(index, codes, `g-${index}`)
  await rig.time.run()
  expect(codes).toHaveLength(count)
  const slices = jest.spyOn(GroupShard.prototype, 'onLoaded')
  rig.startAgain()
  expect(rig.groups.offsetsOf('g-0')).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  await rig.time.run()
  expect(slices.mock.results.map(({ value }) => value as boolean)).toEqual([false, false, true])
  slices.mockRestore()
  expect([rig.committed('g-0'), rig.committed(`g-${count - 1}`)]).toEqual([0, count - 1])
  expect(rig.groups.list()).toMatchObject({ isComplete: true, groups: { length: count } })
})

test.each([
  ['400', 'a few batches at a time', 400],
  ['5242880', 'in slices that let others have their turn', 128 * 1024],
])('offsets.load.buffer.size: %s: a log is loaded %s', async (size, _, most) => {
  rig = await Rig.start({ 'offsets.load.buffer.size': size, 'offsets.commit.required.acks': '1' })
  const codes: ErrorCode[] = []
  const count = 3_000
  for (let index = 0; index < count; index++) rig.commit(index, codes, `g-${index % 100}`)
  await rig.time.run()
  await rig.followerFetches()
  expect(codes).toHaveLength(count)
  const { size: bytes } = rig.partition.log
  const read = jest.spyOn(rig.partition, 'read')
  rig.startAgain()
  expect(rig.groups.offsetsOf('g-0')).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  await rig.time.run()
  expect([rig.committed('g-0'), rig.committed('g-99')]).toEqual([count - 100, count - 1])
  // What was read, without the last look, which found no more.
  const slices = read.mock.results.flatMap(({ value }) =>
    value === null ? [] : [(value as { bytes: Buffer }).bytes.length],
  )
  expect(Math.max(...slices)).toBeLessThanOrEqual(most)
  expect(slices.reduce((sum, slice) => sum + slice, 0)).toBe(bytes)
  expect(slices.length).toBeGreaterThanOrEqual(Math.ceil(bytes / most))
  expect(slices.length).toBeLessThan((3 * bytes) / most)
})
