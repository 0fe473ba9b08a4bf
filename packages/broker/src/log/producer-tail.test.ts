import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { buildEndTransactionMarker, ControlType } from '@millrace/protocol/records/control-record'
import { appendTo, batchOf, startMs } from '@millrace/testing/world/log-records'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import type { TopicSettings } from '../settings/topic-settings.ts'
import type { PartitionLog } from './partition-log.ts'

// What a log knows of its producers after it was loaded: chaos seed 105 (docs/reliability.md).

interface Sent {
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly bytes?: number
}

/** Batch `sequence` of a producer, one record. */
function batch(sequence: number, { producerId = 7, producerEpoch = 0, bytes = 10 }: Sent = {}): Buffer {
  return batchOf({ values: [`${sequence}`.padEnd(bytes, '.')], producerId, producerEpoch, baseSequence: sequence })
}

/** `offset` for a repetition of a batch that is in the log, `new` for one that was appended now, else the name of the error. */
function answers(log: PartitionLog, batches: readonly Buffer[]): (number | string)[] {
  const nameOf = (code: number): string => Object.entries(ErrorCode).find(([, value]) => value === code)![0]
  return batches.map(bytes => {
    const outcome = appendTo(log, bytes)
    if (!outcome.ok) return nameOf(outcome.errorCode)
    return outcome.isDuplicate ? outcome.baseOffset : 'new'
  })
}

const sequences = (from: number, to: number, sent?: Sent): Buffer[] =>
  Array.from({ length: to - from + 1 }, (_, index) => batch(from + index, sent))

const outOfOrder = 'OUT_OF_ORDER_SEQUENCE_NUMBER'

/** A log that somebody filled, loaded again in each of the ways in which a broker may have ended. */
const ends = [
  {
    how: 'clean stop',
    again: async (logs: MemoryLogs, settings: Partial<TopicSettings>) => {
      await logs.close()
      return (await MemoryLogs.open({ files: logs.files.afterKill(), settings })).log()
    },
  },
  {
    how: 'kill',
    again: async (logs: MemoryLogs, settings: Partial<TopicSettings>) =>
      (await MemoryLogs.open({ files: logs.files.afterKill(), settings })).log(),
  },
  {
    how: 'kill just after a new segment began',
    again: async (logs: MemoryLogs, settings: Partial<TopicSettings>) => {
      logs.log().roll(startMs)
      return (await MemoryLogs.open({ files: logs.files.afterKill(), settings })).log()
    },
  },
  {
    how: 'truncation of a later batch after a clean stop',
    again: async (logs: MemoryLogs, settings: Partial<TopicSettings>) => {
      const { logEndOffset } = logs.log()
      await logs.close()
      const log = await MemoryLogs.open({ files: logs.files.afterKill(), settings })
      appendTo(log.log(), batchOf({ values: ['of a leader that was alone'] }))
      log.time.endTurn()
      log.log().truncateTo(logEndOffset)
      return log.log()
    },
  },
]

async function filled(settings: Partial<TopicSettings>, batches: readonly Buffer[]): Promise<MemoryLogs> {
  const logs = await MemoryLogs.open({ settings })
  for (const bytes of batches) {
    appendTo(logs.log(), bytes)
    logs.time.endTurn()
  }
  return logs
}

describe.each(ends)('$how', ({ again }) => {
  test.each([
    { what: 'one segment', settings: {}, bytes: 10 },
    { what: 'a segment per batch', settings: { segmentBytes: 100 }, bytes: 10 },
    { what: 'two batches per segment', settings: { segmentBytes: 400 }, bytes: 90 },
    { what: 'large batches', settings: {}, bytes: 1_000_000 },
  ])(
    'log: loaded, producer repeats its last five batches, $what: their offsets, the sixth-last is out of order',
    async ({ settings, bytes }) => {
      const log = await again(await filled(settings, sequences(0, 9, { bytes })), settings)
      expect(answers(log, sequences(3, 9, { bytes }))).toEqual([outOfOrder, outOfOrder, 5, 6, 7, 8, 9])
      expect(answers(log, sequences(10, 10))).toEqual(['new'])
    },
  )

  test('log: loaded, ten producers in turns: five batches of each are known', async () => {
    const producers = Array.from({ length: 10 }, (_, producerId) => producerId)
    const rounds = Array.from({ length: 20 }, (_, sequence) =>
      producers.map(producerId => batch(sequence, { producerId })),
    )
    const log = await again(await filled({}, rounds.flat()), {})
    for (const producerId of producers) {
      const offsets = [15, 16, 17, 18, 19].map(round => round * 10 + producerId)
      expect(answers(log, sequences(14, 19, { producerId }))).toEqual([outOfOrder, ...offsets])
    }
  })

  test('log: loaded, a producer began a new epoch: batches of the old one are not taken for its', async () => {
    const settings = {}
    const logs = await filled(settings, [...sequences(0, 5), ...sequences(0, 1, { producerEpoch: 1 })])
    const log = await again(logs, settings)
    expect(answers(log, sequences(0, 1, { producerEpoch: 1 }))).toEqual([6, 7])
    expect(answers(log, sequences(5, 5))).toEqual(['INVALID_PRODUCER_EPOCH'])
    expect(answers(log, sequences(5, 5, { producerEpoch: 1 }))).toEqual([outOfOrder])
  })

  test('log: loaded, a marker raised the epoch: nothing of the old one is known', async () => {
    const logs = await filled({}, sequences(0, 3))
    const marker = { type: ControlType.Abort, coordinatorEpoch: 0, producerId: 7, producerEpoch: 1, timestamp: startMs }
    logs.log().appendAsLeader(buildEndTransactionMarker(marker), {
      ...{ leaderEpoch: 0, origin: 'coordinator', apiVersion: 9, nowMs: startMs },
    })
    logs.time.endTurn()
    const log = await again(logs, {})
    expect(answers(log, sequences(3, 3, { producerEpoch: 1 }))).toEqual([outOfOrder])
    expect(answers(log, sequences(0, 0, { producerEpoch: 1 }))).toEqual(['new'])
  })
})

test('follower: batches replicated, then it leads: five batches of the producer are known', async () => {
  const logs = await MemoryLogs.open()
  const batches = sequences(0, 9).map((bytes, offset) => {
    bytes.writeBigInt64BE(BigInt(offset), 0)
    return bytes
  })
  logs.log().appendAsFollower(Buffer.concat(batches.slice(0, 4)), startMs)
  logs.log().appendAsFollower(Buffer.concat(batches.slice(4)), startMs)
  logs.time.endTurn()
  expect(answers(logs.log(), sequences(4, 9))).toEqual([outOfOrder, 5, 6, 7, 8, 9])
})

describe('reads of a clean start', () => {
  /** Bytes of `.log` files that a start reads. */
  async function bytesRead(logs: MemoryLogs): Promise<number> {
    await logs.close()
    const files = logs.files.afterKill()
    let bytes = 0
    files.onOperation = ({ kind, path, length }) => {
      if (kind === 'read' && path.endsWith('.log')) bytes += length
    }
    await MemoryLogs.open({ files })
    return bytes
  }

  const plain = (count: number, bytes: number): Buffer[] =>
    Array.from({ length: count }, () => batchOf({ values: ['.'.repeat(bytes)] }))

  test('log: nobody is idempotent: the end of the log, a few times', async () => {
    expect(await bytesRead(await filled({}, plain(2000, 4000)))).toBeLessThan(32 * 1024)
  })

  test('log: five batches of the only producer at its end: one part of it', async () => {
    const logs = await filled({}, [...plain(2000, 4000), ...sequences(0, 9)])
    expect(await bytesRead(logs)).toBeLessThan(320 * 1024)
  })

  test('log: a producer that was last seen long ago: the log is not walked for it', async () => {
    const logs = await filled({}, [...sequences(1, 1), ...plain(3000, 4000)])
    expect(await bytesRead(logs)).toBeLessThan(40 * 1024)
  })

  test('log: a producer of whom one batch is near the end and the next one far from it: 8 MiB', async () => {
    const logs = await filled({}, [...sequences(1, 2), ...plain(4000, 4000), ...sequences(3, 3)])
    const bytes = await bytesRead(logs)
    expect(bytes).toBeGreaterThan(8 * 1024 * 1024)
    expect(bytes).toBeLessThan(8.5 * 1024 * 1024)
  })

  test('log: the same, with large batches: their headers', async () => {
    const logs = await filled({}, [...sequences(1, 2), ...plain(12, 1_000_000), ...sequences(3, 3)])
    expect(await bytesRead(logs)).toBeLessThan(160 * 1024)
  })
})
