import { expect, test } from '@jest/globals'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Clock } from '@millrace/runtime/ports'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { OpenFiles } from './open-files.ts'
import { SegmentBatches } from './segment-batches.ts'
import type { ReadableSegment } from './segment-batches.ts'

const batchOf = (baseOffset: number, size: number): Buffer =>
  buildBatch([{ timestamp: 0, key: Buffer.from('k'), value: Buffer.alloc(size, baseOffset) }], { baseOffset })

/** A segment of such batches on a disk that takes `readMs`. */
function world(batches: readonly Buffer[]): {
  readonly segment: ReadableSegment
  readonly clock: Clock
  readonly disk: { readMs: number; reads: number }
} {
  const files = new MemoryFiles()
  const time = new VirtualTime()
  const disk = { readMs: 0, reads: 0 }
  let passedMs = 0
  const bytes = Buffer.concat(batches)
  files.open('/segment', 'create').write(bytes, 0, bytes.length, 0)
  files.onOperation = ({ kind }) => {
    if (kind !== 'read') return
    disk.reads++
    passedMs += disk.readMs
  }
  const log = new OpenFiles(files).share(() => '/segment', 'read-write')
  const clock = { wallMs: () => time.wallMs(), monotonicMs: () => passedMs }
  return { segment: { log, writtenSize: bytes.length, isGone: false }, clock, disk }
}

test('segment batches: read through the thread pool until eight reads in turn were quick, then on the loop, until one is slow', async () => {
  const { segment, clock, disk } = world([batchOf(0, 100)])
  const batches = new SegmentBatches(clock, new BufferPool(), 4096)
  const quickOnes = async (): Promise<number> => {
    for (let count = 0; ; count++) {
      await batches.read(segment, 0)
      if (batches.isFromCache) return count
    }
  }
  expect(await quickOnes()).toBe(8)
  disk.readMs = 3
  await batches.read(segment, 0)
  expect(batches.isFromCache).toBe(false)
  for (let count = 0; count < 20; count++) await batches.read(segment, 0)
  expect(batches.isFromCache).toBe(false)
  disk.readMs = 0.1
  expect(await quickOnes()).toBe(16)
  disk.readMs = 0.6
  await batches.read(segment, 0)
  disk.readMs = 0
  expect(await quickOnes()).toBe(32)
})

test('segment batches: what is kept stands in front, the next piece behind it; a batch for which there is no room has to wait for the write', async () => {
  const all = [batchOf(0, 1000), batchOf(1, 1000), batchOf(2, 3500), batchOf(3, 6000), batchOf(4, 10)]
  const { segment, clock } = world(all)
  const batches = new SegmentBatches(clock, new BufferPool(), 4096)
  const ends = all.map((_, index) => all.slice(0, index + 1).reduce((sum, { length }) => sum + length, 0))
  const first = (await batches.read(segment, 0))!
  expect([first.next(), first.position, first.next(), first.next()]).toEqual([true, 0, true, false])
  expect(batches.keep(all[0]!.length, all[1]!.length)).toBe(0)
  expect([batches.keptSize, batches.isToBeWritten]).toEqual([all[1]!.length, false])
  expect(await batches.read(segment, ends[1]!)).toBeNull()
  expect(batches.buffer.subarray(0, batches.keptSize).equals(all[1]!)).toBe(true)
  batches.keptSize = 0
  const second = (await batches.read(segment, ends[1]!))!
  expect([second.next(), second.size, second.next()]).toEqual([true, all[2]!.length, false])
  // Nothing longer than what it stands for and what is free in front of that.
  expect(batches.add(Buffer.alloc(all[2]!.length + 1), all[2]!.length)).toBe(false)
  expect(batches.add(Buffer.alloc(2100, 9), all[2]!.length)).toBe(true)
  expect([batches.keptSize, batches.isToBeWritten]).toEqual([2100, true])
  batches.keptSize = 0
  const large = (await batches.read(segment, ends[2]!))!
  expect([large.next(), large.size, large.next()]).toEqual([true, all[3]!.length, false])
  expect(batches.keep(0, 6000)).toBe(0)
  expect(batches.isToBeWritten).toBe(true)
  batches.keptSize = 0
  const last = (await batches.read(segment, ends[3]!))!
  expect([last.next(), last.size, last.next()]).toEqual([true, all[4]!.length, false])
  batches.close()
})

test('segment batches: others are at work: pieces of a quarter of the buffer, and all of it for a batch that needs it', async () => {
  const all = [batchOf(0, 300), batchOf(1, 300), batchOf(2, 2000), batchOf(3, 300), batchOf(4, 300)]
  const { segment, clock, disk } = world(all)
  let isBusy = true
  const batches = new SegmentBatches(clock, new BufferPool(), 4096, () => isBusy)
  const piece = async (position: number): Promise<number[]> => {
    const cursor = (await batches.read(segment, position))!
    const sizes: number[] = []
    while (cursor.next()) sizes.push(cursor.size)
    return sizes
  }
  const [first, second, large, fourth, last] = all.map(({ length }) => length) as [
    number,
    number,
    number,
    number,
    number,
  ]
  expect(await piece(0)).toEqual([first, second])
  expect(disk.reads).toBe(1)
  expect(await piece(first + second)).toEqual([large, fourth, last])
  expect(disk.reads).toBe(3)
  batches.keptSize = 600
  expect(batches.isToBeWritten).toBe(true)
  isBusy = false
  expect(batches.isToBeWritten).toBe(false)
  batches.keptSize = 0
  expect(await piece(0)).toEqual([first, second, large, fourth, last])
  batches.close()
})
