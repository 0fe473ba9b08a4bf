import { describe, expect, test } from '@jest/globals'
import { ErrorCode, errorName } from '@millrace/protocol/errors'
import type { PartitionData } from '@millrace/protocol/messages/01-fetch'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import { silentLogger } from '@millrace/runtime/logger'
import { batchOf, startMs, valuesOf } from '@millrace/testing/world/log-records'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { FollowedPartition } from './followed-partition.ts'
import { LogDirectoryMoves } from './log-directory-moves.ts'
import { Partition } from './partition.ts'

const directories = ['/a', '/b', '/c']
const settings = { segmentBytes: 600, indexIntervalBytes: 100, fileDeleteDelayMs: 0 }

interface WorldOptions {
  readonly bytesPerSecond?: () => number
  readonly windowMs?: number
  readonly windowCount?: number
  readonly movesAtOnce?: number
  readonly sliceBytes?: number
}

/** Partitions of one broker whose logs move, in virtual time. */
class World {
  logs!: MemoryLogs
  moves!: LogDirectoryMoves
  readonly partitions = new Map<number, Partition>()
  readonly failures: Error[] = []
  readonly options: WorldOptions
  leaderEpoch = 0
  partitionEpoch = 0

  constructor(options: WorldOptions = {}) {
    this.options = options
  }

  async start(files = new MemoryFiles()): Promise<this> {
    this.logs = await MemoryLogs.open({ files, directories, settings, tailBytesMax: 4096 })
    const { time } = this.logs
    this.moves = new LogDirectoryMoves({
      ...{ logs: this.logs.directories, clock: time, timers: time, logger: silentLogger },
      bytesPerSecond: this.options.bytesPerSecond ?? (() => Infinity),
      movesAtOnce: this.options.movesAtOnce ?? 3,
      windowMs: this.options.windowMs ?? 1000,
      windowCount: this.options.windowCount ?? 11,
      ...{ sliceBytes: this.options.sliceBytes ?? 300 },
      onFatal: error => void this.failures.push(error),
    })
    return this
  }

  /** A role in a new leader epoch, as a LeaderAndIsr request gives it. */
  become(role: 'leader' | 'follower', number = 0, others: readonly number[] = []): Partition {
    const { directories: logs, time } = this.logs
    const log = logs.create({ topic: 't', partition: number, topicId: null, isNew: true })
    const partition =
      this.partitions.get(number) ??
      new Partition({ brokerId: 1, topic: 't', partition: number, monotonicMs: () => time.monotonicMs() })
    this.partitions.set(number, partition)
    const inSyncReplicas = role === 'leader' ? [1] : [1, 2]
    const replicas = [...inSyncReplicas, ...others]
    const state = {
      ...{ controllerEpoch: 1, leader: role === 'leader' ? 1 : 2, brokerEpoch: 1, inSyncReplicas, replicas },
      ...{ leaderEpoch: ++this.leaderEpoch, partitionEpoch: ++this.partitionEpoch },
    }
    if (role === 'leader') partition.becomeLeader(state, log)
    else partition.becomeFollower(state, log)
    this.moves.resume(partition)
    return partition
  }

  alter(directory: string, partition = 0): string {
    const hosted = this.partitions.get(partition)
    return errorName(this.moves.alter({ topic: 't', partition, directory, hosted, isPartitionKnown: true }))
  }

  /** Lets one turn end, and what was promised follow; `late` comes just before moves go on, and after everything else. */
  async turn(late: () => void = () => {}): Promise<void> {
    this.logs.time.advance(0)
    late()
    for (let hop = 0; hop < 30; hop++) await Promise.resolve()
  }

  /** The process dies, and another one starts with what it wrote. */
  async killed(): Promise<void> {
    this.moves.close()
    this.partitions.clear()
    await this.start(this.logs.files.afterKill())
  }

  folders(): string[] {
    return directories.flatMap(directory =>
      this.logs.files.list(directory).flatMap(name => (name.startsWith('t-') ? [`${directory}/${name}`] : [])),
    )
  }
}

const produce = (partition: Partition, value: string): ErrorCode => {
  const outcome = partition.append(batchOf({ values: [value] }), { acks: 1, apiVersion: 9, nowMs: startMs })
  return outcome.ok ? ErrorCode.NONE : (outcome.errorCode as ErrorCode)
}

describe('a replica moves', () => {
  test('leader: acks waiters, readers and high watermark go on; records that wait for the end of the turn at the swap are neither lost nor twice', async () => {
    const world = await new World().start()
    const partition = world.become('leader')
    for (let index = 0; index < 20; index++) produce(partition, `${index}`)
    await world.turn()
    expect(world.alter('/b')).toBe('NONE')
    const acked: number[] = []
    let count = 20
    for (let turn = 0; turn < 100 && partition.log.directory === '/a'; turn++) {
      await world.turn(() => {
        expect(produce(partition, `${count}`)).toBe(ErrorCode.NONE)
        const onCommitted = (token: number, code: ErrorCode): void => void acked.push(code === 0 ? token : -1)
        partition.whenCommitted(++count, { onCommitted }, count)
      })
    }
    expect(partition.log.directory).toBe('/b')
    await world.turn()
    expect(acked).toEqual(Array.from({ length: count - 20 }, (_, index) => 21 + index))
    expect(valuesOf(partition.log)).toEqual(Array.from({ length: count }, (_, index) => `${index}:${index}`))
    expect(partition.highWatermark).toBe(count)
    expect(world.moves.count).toBe(0)
    produce(partition, 'after')
    await world.turn()
    expect(valuesOf(partition.log).at(-1)).toBe(`${count}:after`)
    expect(world.logs.directories.get('t', 0)).toBe(partition.log)
    expect(world.failures).toEqual([])
  })

  test('follower: its fetcher goes on with the log that is the current one, also where that has to be cut', async () => {
    const world = await new World().start()
    const partition = world.become('follower')
    const options = { brokerId: 1, logger: silentLogger, wallMs: () => startMs, backoffMs: 100 }
    const followed = new FollowedPartition(partition, options)
    const answer = (changes: Partial<PartitionData>): PartitionData => ({
      ...{ partitionIndex: 0, errorCode: 0, highWatermark: 0, lastStableOffset: 0, logStartOffset: 0 },
      ...{ divergingEpoch: { epoch: -1, endOffset: -1 }, currentLeader: { leaderId: -1, leaderEpoch: -1 } },
      ...{ snapshotId: { endOffset: -1, epoch: -1 }, abortedTransactions: null, preferredReadReplica: -1 },
      ...{ records: null, ...changes },
    })
    const batch = (offset: number): Buffer => {
      const epochs = { baseOffset: offset, partitionLeaderEpoch: offset < 5 ? 0 : 1 }
      return buildBatch([{ timestamp: startMs, key: null, value: Buffer.from(`${offset}`) }], epochs)
    }
    const take = async (changes: Partial<PartitionData>): Promise<void> => {
      expect(followed.proceed(0)).toMatch(/^fetch/)
      followed.take(answer(changes), 0)
      await world.turn()
    }
    for (let offset = 0; offset < 8; offset++)
      await take({ records: batch(offset), highWatermark: Math.min(4, offset) })
    world.alter('/b')
    for (let turn = 0; turn < 20; turn++) await world.turn()
    expect(partition.log.directory).toBe('/b')
    await take({ divergingEpoch: { epoch: 0, endOffset: 5 } })
    await take({ records: batch(5), highWatermark: 6 })
    expect(followed.proceed(0)).toMatch(/^fetch/)
    expect(followed.fetchOffset).toBe(6)
    expect(partition.log.highWatermark).toBe(6)
    expect(valuesOf(partition.log)).toEqual(['0:0', '1:1', '2:2', '3:3', '4:4', '5:5'])
  })

  test('more is appended in each turn than a slice holds: larger steps, and it ends', async () => {
    const world = await new World({ sliceBytes: 120 }).start()
    const partition = world.become('leader')
    world.alter('/b')
    let turns = 0
    for (; turns < 1000 && partition.log.directory === '/a'; turns++) {
      for (let index = 0; index < 10; index++) produce(partition, 'x'.repeat(50))
      await world.turn()
    }
    expect(turns).toBeGreaterThan(64)
    expect(turns).toBeLessThan(1000)
    expect(partition.log.logEndOffset).toBe(turns * 10)
  })

  test('its topic gets another min.insync.replicas after the move: that holds', async () => {
    const world = await new World().start()
    const partition = world.become('leader', 0, [2])
    world.alter('/b')
    for (let turn = 0; turn < 20; turn++) await world.turn()
    expect(partition.log.directory).toBe('/b')
    world.logs.settings = { ...world.logs.settings, minInSyncReplicas: 2 }
    world.logs.directories.reconfigure('t')
    const outcome = partition.append(batchOf(), { acks: -1, apiVersion: 9, nowMs: startMs })
    expect(outcome).toMatchObject({ ok: false, errorCode: ErrorCode.NOT_ENOUGH_REPLICAS })
  })

  test('replica.alter.log.dirs.io.max.bytes.per.second: held to that rate, on average; raised while it moves: at once', async () => {
    let bytesPerSecond = 1000
    const world = await new World({ bytesPerSecond: () => bytesPerSecond }).start()
    const partition = world.become('leader')
    for (let index = 0; index < 1000; index++) produce(partition, 'x'.repeat(33))
    await world.logs.time.run()
    const { size } = partition.log
    expect(size).toBeGreaterThan(100_000)
    world.alter('/b')
    const copied = (): number => world.logs.directories.futureOf('t', 0)?.size ?? size
    await world.logs.time.run(20_000)
    const early = copied()
    await world.logs.time.run(30_000)
    expect((copied() - early) / 30).toBeGreaterThan(900)
    expect((copied() - early) / 30).toBeLessThan(1050)
    expect(partition.log.directory).toBe('/a')
    bytesPerSecond = Infinity
    await world.logs.time.run(200)
    expect(partition.log.directory).toBe('/b')
  })

  test('alter.log.dirs.replication.quota.window.num and alter.log.dirs.replication.quota.window.size.seconds: so much time is averaged', async () => {
    const firstSecond = async (windowMs: number, windowCount: number): Promise<number> => {
      const world = await new World({ bytesPerSecond: () => 1000, windowMs, windowCount }).start()
      const partition = world.become('leader')
      for (let index = 0; index < 1000; index++) produce(partition, 'x'.repeat(33))
      await world.logs.time.run()
      world.alter('/b')
      await world.logs.time.run(1000)
      return world.logs.directories.futureOf('t', 0)!.size
    }
    // What was not used in windows before the move began may be used at once.
    expect(await firstSecond(1000, 11)).toBeGreaterThan(9_000)
    expect(await firstSecond(1000, 2)).toBeLessThan(3_000)
    expect(await firstSecond(5000, 11)).toBeGreaterThan(49_000)
  })

  test('num.replica.alter.log.dirs.threads: so many at once, the others wait for them', async () => {
    const world = await new World({ movesAtOnce: 2 }).start()
    const partitions = [0, 1, 2, 3, 4].map(number => world.become('leader', number))
    for (const partition of partitions) for (let index = 0; index < 100; index++) produce(partition, `${index}`)
    await world.turn()
    for (const { partition, log } of partitions) world.alter(log.directory === '/a' ? '/b' : '/a', partition)
    const busy = (): number =>
      partitions.filter(({ partition }) => (world.logs.directories.futureOf('t', partition)?.logEndOffset ?? 0) > 0)
        .length
    const counts: number[] = []
    for (let turn = 0; turn < 300 && world.moves.count > 0; turn++) {
      await world.turn()
      counts.push(busy())
    }
    expect(Math.max(...counts)).toBe(2)
    expect(world.moves.count).toBe(0)
    for (const { log } of partitions) expect(log.logEndOffset).toBe(100)
  })

  test.each(['target', 'source'])(
    'the %s fails: the replica goes on, or is offline as ever; nothing else does',
    async which => {
      const world = await new World().start()
      const partition = world.become('leader')
      for (let index = 0; index < 100; index++) produce(partition, `${index}`)
      await world.turn()
      world.alter('/b')
      await world.turn()
      expect(world.logs.directories.futureOf('t', 0)!.logEndOffset).toBeGreaterThan(0)
      const failing = which === 'target' ? '/b/' : '/a/'
      world.logs.files.onOperation = ({ path, kind }) => {
        if (path.startsWith(failing)) throw new FileSystemError({ code: 'EIO', syscall: kind, path })
      }
      produce(partition, '100')
      for (let turn = 0; turn < 30; turn++) await world.turn()
      world.logs.files.onOperation = null
      expect(world.moves.count).toBe(0)
      expect(partition.isOffline).toBe(which === 'source')
      if (which === 'target') {
        expect(produce(partition, '101')).toBe(ErrorCode.NONE)
        await world.turn()
        expect(valuesOf(partition.log)).toHaveLength(102)
        expect(world.alter('/b')).toBe('KAFKA_STORAGE_ERROR')
      }
      expect(world.failures).toEqual([])
    },
  )

  test('the target fails when it has the name already: the replica is offline, and everybody who waits hears of it', async () => {
    const world = await new World().start()
    const partition = world.become('leader', 0, [2])
    produce(partition, '0')
    await world.turn()
    const codes: number[] = []
    partition.whenCommitted(5, { onCommitted: (_, code) => void codes.push(code) }, 1)
    const sync = world.logs.files.syncDirectory.bind(world.logs.files)
    world.logs.files.syncDirectory = path => {
      if (path === '/b' && world.folders().includes('/b/t-0'))
        throw new FileSystemError({ code: 'EIO', syscall: 'fsync', path })
      sync(path)
    }
    world.alter('/b')
    for (let turn = 0; turn < 10; turn++) await world.turn()
    expect([partition.isOffline, partition.log.directory, codes]).toEqual([true, '/b', [ErrorCode.KAFKA_STORAGE_ERROR]])
    expect(world.failures).toEqual([])
  })

  test('a log that compaction left holes in, also at its end: the copy ends where it does', async () => {
    const world = await new World().start()
    const partition = world.become('leader')
    for (const end of [6, 15, 21]) {
      for (let count = 0; count < 3; count++) produce(partition, `${partition.log.nextOffset}`)
      await world.turn()
      partition.log.skipTo(end)
    }
    const before = valuesOf(partition.log)
    expect(before.map(value => parseInt(value, 10))).toEqual([0, 1, 2, 6, 7, 8, 15, 16, 17])
    world.alter('/b')
    for (let turn = 0; turn < 20; turn++) await world.turn()
    expect([partition.log.directory, partition.log.logEndOffset]).toEqual(['/b', 21])
    expect(valuesOf(partition.log)).toEqual(before)
    produce(partition, '21')
    await world.turn()
    expect(valuesOf(partition.log).at(-1)).toBe('21:21')
  })

  test('a log that begins inside a batch: the batch comes whole, the log begins where it did', async () => {
    const world = await new World().start()
    const partition = world.become('leader')
    for (const first of [0, 3, 6]) {
      const values = [first, first + 1, first + 2].map(String)
      partition.append(batchOf({ values }), { acks: 1, apiVersion: 9, nowMs: startMs })
    }
    await world.turn()
    partition.deleteRecordsBefore(4)
    const before = valuesOf(partition.log)
    world.alter('/b')
    for (let turn = 0; turn < 10; turn++) await world.turn()
    expect([partition.log.directory, partition.log.logStartOffset]).toEqual(['/b', 4])
    expect(valuesOf(partition.log)).toEqual(before)
  })

  test('a damaged batch: stays where it is, and the copy goes', async () => {
    const world = await new World().start()
    const partition = world.become('leader')
    for (let index = 0; index < 100; index++) produce(partition, `${index}`)
    await world.turn()
    // A start with recovery would cut it.
    await world.logs.close()
    const bytes = world.logs.files.readFile('/a/t-0/00000000000000000000.log')
    bytes[200] = bytes[200]! ^ 1
    world.logs.files.replaceFile('/a/t-0/00000000000000000000.log', bytes)
    world.partitions.clear()
    await world.start(world.logs.files)
    const again = world.become('leader')
    expect(world.alter('/b')).toBe('NONE')
    for (let turn = 0; turn < 10; turn++) await world.turn()
    expect([world.moves.count, world.logs.directories.futureOf('t', 0)]).toEqual([0, undefined])
    expect([again.log.directory, again.isOffline, again.log.logEndOffset]).toEqual(['/a', false, 100])
    await world.logs.time.run(1)
    expect(world.folders()).toEqual(['/a/t-0'])
  })
})

/** A replica whose log is appended to, cut, restarted and moved at random, and what has to be in it. */
class Replica extends World {
  readonly random: SeededRandom
  /** `offset:value` of each record, one batch each. */
  records: string[] = []
  startOffset = 0
  /** Written and announced: a kill must not take it. */
  writtenEnd = 0
  wanted = '/a'
  values = 0

  constructor(seed: number) {
    super({ sliceBytes: 100 + (seed % 5) * 150, movesAtOnce: 1 })
    this.random = new SeededRandom(seed)
  }

  get partition(): Partition {
    return this.partitions.get(0)!
  }

  get endOffset(): number {
    return this.startOffset + this.records.length
  }

  async step(): Promise<string> {
    const { random, partition } = this
    const kind = random.below(100)
    if (kind < 45) return this.append(1 + random.below(8))
    if (kind < 75) {
      await this.turn()
      return 'turn'
    }
    if (kind < 82) return this.move()
    if (kind < 87) {
      this.become(partition.isLeader ? 'follower' : 'leader')
      return 'role'
    }
    if (kind < 92) return this.cut()
    if (kind < 95) return this.deleteBefore()
    if (kind < 96) return this.roll()
    return this.restart()
  }

  private append(count: number): string {
    const { partition } = this
    for (let index = 0; index < count; index++) {
      const value = `${this.values++}`
      if (partition.isLeader) expect(produce(partition, value)).toBe(ErrorCode.NONE)
      else {
        const options = { baseOffset: this.endOffset, partitionLeaderEpoch: this.leaderEpoch }
        const records = [{ timestamp: startMs, key: null, value: Buffer.from(value) }]
        expect(partition.appendAsFollower(buildBatch(records, options), startMs)).toBe(ErrorCode.NONE)
      }
      this.records.push(`${this.endOffset}:${value}`)
    }
    return `append ${count}`
  }

  private move(): string {
    this.wanted = directories[this.random.below(3)]!
    expect(this.alter(this.wanted)).toBe('NONE')
    return `move to ${this.wanted}`
  }

  /** As a follower does, whose leader of a new epoch has another history. */
  private cut(): string {
    const partition = this.become('follower')
    const { random } = this
    if (random.below(4) === 0) {
      const startOffset = this.endOffset + random.below(5)
      partition.truncateFullyAndStartAt(startOffset)
      this.records = []
      this.startOffset = startOffset
    } else {
      const { highWatermark } = partition.log
      const endOffset = highWatermark + random.below(this.endOffset - highWatermark + 1)
      partition.truncateTo(endOffset)
      this.records.length = Math.max(0, endOffset - this.startOffset)
    }
    return `cut to ${this.endOffset}`
  }

  private deleteBefore(): string {
    const { partition, random } = this
    const { highWatermark } = partition.log
    const offset = this.startOffset + random.below(Math.max(1, highWatermark - this.startOffset + 1))
    partition.deleteRecordsBefore(Math.min(offset, highWatermark))
    const gone = Math.max(0, Math.min(offset, highWatermark) - this.startOffset)
    this.records.splice(0, gone)
    this.startOffset += gone
    if (random.below(2) === 0) void this.logs.directories.applyRetention()
    return `delete before ${offset}`
  }

  private roll(): string {
    this.partition.log.roll()
    return 'roll'
  }

  private async restart(): Promise<string> {
    const isOrderly = this.random.below(2) === 0
    const { logEndOffset } = this.partition.log
    if (isOrderly) {
      this.moves.close()
      this.partitions.clear()
      await this.logs.close()
      await this.start(this.logs.files)
    } else {
      await this.killed()
    }
    const { log } = this.become(this.random.below(2) === 0 ? 'leader' : 'follower')
    // Appended in the turn of the kill: may be written or not. What was written is there.
    expect(log.logEndOffset).toBeGreaterThanOrEqual(isOrderly ? this.endOffset : logEndOffset)
    this.records.length = log.logEndOffset - this.startOffset
    // The log start is noted now and then only: what was deleted may be there again after a kill.
    const back = this.startOffset - log.logStartOffset
    expect(isOrderly ? back : Math.min(back, 0)).toBe(0)
    if (back > 0) {
      this.records.unshift(...valuesOf(log).slice(0, back))
      this.startOffset -= back
    }
    // A future log that is not there yet is not moved on: the wish is forgotten.
    this.wanted = this.logs.directories.futureOf('t', 0)?.directory ?? log.directory
    return isOrderly ? 'restart' : 'kill'
  }

  check(): void {
    const { log } = this.partition
    expect(this.logs.directories.all()).toEqual([log])
    expect([log.logStartOffset, log.nextOffset]).toEqual([this.startOffset, this.endOffset])
    expect(valuesOf(log)).toEqual(this.records.slice(0, log.logEndOffset - this.startOffset))
    expect(this.failures).toEqual([])
  }
}

describe('a replica that changes while it moves', () => {
  const seeds = 60

  test(`appended, cut, emptied, restarted, killed, sent elsewhere (seeds 1 to ${seeds}): always one log with the same records, at last where it was sent`, async () => {
    let arrived = 0
    for (let seed = 1; seed <= seeds; seed++) {
      const replica = new Replica(seed)
      await replica.start()
      replica.become('leader')
      const done: string[] = []
      try {
        for (let step = 0; step < 200; step++) {
          const { directory } = replica.partition.log
          done.push(await replica.step())
          replica.check()
          if (replica.partition.log.directory !== directory) arrived++
        }
        for (let turn = 0; turn < 400 && replica.moves.count > 0; turn++) {
          await replica.turn()
          replica.check()
        }
        await replica.logs.time.run(1)
        expect(replica.folders()).toEqual([`${replica.wanted}/t-0`])
      } catch (error) {
        throw new Error(`seed ${seed}: ${done.slice(-12).join(', ')}`, { cause: error })
      }
    }
    expect(arrived).toBeGreaterThan(seeds)
  }, 120_000)
})
