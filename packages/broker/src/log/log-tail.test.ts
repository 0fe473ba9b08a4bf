import { describe, expect, test } from '@jest/globals'
import { appendTo, batchOf, valuesOf } from '@millrace/testing/world/log-records'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import type { PartitionLog } from './partition-log.ts'

const mebibyte = 1024 * 1024

/** How often the `.log` files of `logs` were read since. */
function countReads(logs: MemoryLogs): () => number {
  let reads = 0
  logs.files.onOperation = ({ kind, path }) => {
    if (kind === 'read' && path.endsWith('.log')) reads++
  }
  return () => reads
}

const read = (log: PartitionLog, fetchOffset: number): NonNullable<ReturnType<PartitionLog['read']>> =>
  log.read({ fetchOffset, maxBytes: mebibyte, endOffset: log.logEndOffset, minOneBatch: true })!

const fill = (log: PartitionLog, count: number, valueBytes: number, endTurn: () => void): string[] =>
  Array.from({ length: count }, (_, i) => {
    const value = String.fromCharCode(97 + (i % 26)).repeat(valueBytes)
    appendTo(log, batchOf({ values: [value] }))
    if (i % 3 === 0) endTurn()
    return `${log.nextOffset - 1}:${value}`
  })

describe('log tail', () => {
  test.each([
    ['small batches', 2000, 100],
    ['batches of half a chunk', 20, 200_000],
  ])('%s, within the budget: read from memory, the same bytes', async (_what, count, valueBytes) => {
    const logs = await MemoryLogs.open({ tailBytesMax: 16 * mebibyte })
    const log = logs.log()
    const values = fill(log, count, valueBytes, () => logs.time.endTurn())
    logs.time.endTurn()
    const reads = countReads(logs)
    expect(valuesOf(log)).toEqual(values)
    // The place of the very first batch is looked up in the file; nobody has read before it.
    expect(reads()).toBeLessThanOrEqual(1)
    expect(valuesOf(log, 0, 1000)).toEqual(values)
  })

  test('more batches than one chunk: one read answers all that fit its limit, as far as its end', async () => {
    const logs = await MemoryLogs.open({ tailBytesMax: 16 * mebibyte })
    const log = logs.log()
    fill(log, 500, 1000, () => logs.time.endTurn())
    logs.time.endTurn()
    const all = read(log, 3)
    expect([all.firstOffset, all.nextOffset]).toEqual([3, 500])
    const [, file] = [...logs.files.snapshot()].find(([path]) => path.endsWith('.log'))!
    expect(all.bytes.equals(file.subarray(0, log.size).subarray(-all.bytes.length))).toBe(true)
    const size = all.bytes.length / 497
    all.release()
    const limited = log.read({ fetchOffset: 3, maxBytes: 100.5 * size, endOffset: 500, minOneBatch: true })!
    expect(limited.nextOffset).toBe(103)
    limited.release()
    const committed = log.read({ fetchOffset: 3, maxBytes: mebibyte, endOffset: 301, minOneBatch: true })!
    expect(committed.nextOffset).toBe(301)
    committed.release()
    const idleBytes = logs.bufferPool.idleBytes
    read(log, 3).release()
    expect(logs.bufferPool.idleBytes).toBe(idleBytes)
  })

  test('more than the budget: the oldest come from the file, the newest from memory', async () => {
    const logs = await MemoryLogs.open({ tailBytesMax: 64 * 1024 })
    const log = logs.log()
    const values = fill(log, 3000, 100, () => logs.time.endTurn())
    logs.time.endTurn()
    expect(valuesOf(log)).toEqual(values)
    const known = read(log, 2990)
    known.release()
    const reads = countReads(logs)
    const again = read(log, 2999)
    again.release()
    expect(again.nextOffset).toBe(3000)
    expect(reads()).toBeLessThanOrEqual(1)
  })

  test('not written yet: not read', async () => {
    const logs = await MemoryLogs.open({ tailBytesMax: mebibyte })
    const log = logs.log()
    appendTo(log, batchOf({ values: ['a'] }))
    logs.time.endTurn()
    appendTo(log, batchOf({ values: ['b'] }))
    const found = log.read({ fetchOffset: 0, maxBytes: mebibyte, endOffset: Infinity, minOneBatch: true })!
    expect(found.nextOffset).toBe(1)
    found.release()
  })

  test('forgotten while a reader has it: its bytes stay until it lets go', async () => {
    const logs = await MemoryLogs.open({ tailBytesMax: 64 * 1024 })
    const log = logs.log()
    appendTo(log, batchOf({ values: ['first'] }))
    logs.time.endTurn()
    const held = read(log, 0)
    const before = Buffer.from(held.bytes)
    fill(log, 3000, 100, () => logs.time.endTurn())
    logs.time.endTurn()
    expect(held.bytes.equals(before)).toBe(true)
    held.release()
  })

  test('a large batch in a buffer of the pool: kept without a copy, and not overwritten by the next request', async () => {
    const logs = await MemoryLogs.open({ tailBytesMax: 8 * mebibyte })
    const log = logs.log()
    const batches = ['x', 'y', 'z'].map(letter => batchOf({ values: [letter.repeat(600_000)] }))
    for (const batch of batches) {
      const frame = logs.bufferPool.take(batch.length + 50)
      batch.copy(frame, 50)
      expect(appendTo(log, frame.subarray(50, 50 + batch.length)).ok).toBe(true)
      logs.bufferPool.give(frame)
      logs.time.endTurn()
    }
    const reads = countReads(logs)
    for (const [offset, letter] of ['x', 'y', 'z'].entries()) {
      const found = read(log, offset)
      expect(found.nextOffset).toBe(offset + 1)
      expect(found.bytes.subarray(100, 600_000).every(byte => byte === letter.charCodeAt(0))).toBe(true)
      found.release()
    }
    expect(reads()).toBeLessThanOrEqual(1)
    expect(valuesOf(log).map(value => value.length)).toEqual([600_002, 600_002, 600_002])
  })

  test('cut and written anew: nothing of the former end is read', async () => {
    const logs = await MemoryLogs.open({ tailBytesMax: mebibyte })
    const log = logs.log()
    for (const value of ['a', 'b', 'c']) appendTo(log, batchOf({ values: [value] }))
    logs.time.endTurn()
    expect(valuesOf(log)).toEqual(['0:a', '1:b', '2:c'])
    log.truncateTo(1)
    appendTo(log, batchOf({ values: ['d'] }))
    logs.time.endTurn()
    expect(valuesOf(log)).toEqual(['0:a', '1:d'])
  })

  test('many logs, one budget: their chunks stay small, and all of it within the budget', async () => {
    const tailBytesMax = 256 * 1024
    const logs = await MemoryLogs.open({ tailBytesMax })
    const many = Array.from({ length: 64 }, (_, partition) => logs.log('many', partition))
    for (let round = 0; round < 200; round++) {
      for (const log of many) appendTo(log, batchOf({ values: ['v'.repeat(200)] }))
      logs.time.endTurn()
    }
    // What the pool has lying idle was in use at some moment: a turn's appends and the budget, no more.
    expect(logs.bufferPool.idleBytes).toBeLessThanOrEqual(64 * 16 * 1024 + tailBytesMax)
    for (const log of many) expect(valuesOf(log, 0, 5000)).toHaveLength(200)
  })
})
