import { describe, expect, test } from '@jest/globals'
import { cleaningRange } from './cleanable-range.ts'
import type { CleaningQuestion } from './cleanable-range.ts'
import { segmentGroups } from './segment-groups.ts'

const nowMs = 1_000_000_000
/** Four closed segments of 100 bytes and ten offsets, each a minute younger than the one before, and an active one. */
const segments = [0, 10, 20, 30, 40].map((baseOffset, index) => ({
  baseOffset,
  size: 100,
  largestTimestamp: () => nowMs - (5 - index) * 60_000,
  firstTimestamp: () => nowMs - (5 - index) * 60_000 - 1000,
}))
const settings = { minCompactionLagMs: 0, maxCompactionLagMs: Number.MAX_SAFE_INTEGER, minCleanableDirtyRatio: 0.5 }
const question: CleaningQuestion = {
  segments,
  logStartOffset: 0,
  logEndOffset: 45,
  lastStableOffset: 45,
  cleanedOffset: null,
  nowMs,
  settings,
}
const range = (changes: Partial<CleaningQuestion> & { with?: Partial<CleaningQuestion['settings']> }) =>
  cleaningRange({ ...question, ...changes, settings: { ...settings, ...changes.with } })

describe('cleaning range', () => {
  test.each<[string, Parameters<typeof range>[0], object]>([
    [
      'never compacted: all but the active segment',
      {},
      {
        firstDirtyOffset: 0,
        firstUncleanableOffset: 40,
        cleanBytes: 0,
        cleanableBytes: 400,
        dirtyRatio: 1,
        isDue: true,
      },
    ],
    [
      'compacted: from there on',
      { cleanedOffset: 30 },
      { firstDirtyOffset: 30, cleanBytes: 300, cleanableBytes: 100, dirtyRatio: 0.25, isDue: false },
    ],
    ['ratio reached, not above: not due', { cleanedOffset: 20 }, { dirtyRatio: 0.5, isDue: false }],
    ['above the ratio: due', { cleanedOffset: 30, with: { minCleanableDirtyRatio: 0.2 } }, { isDue: true }],
    ['inside a segment: that counts as both', { cleanedOffset: 25 }, { cleanBytes: 300, cleanableBytes: 200 }],
    [
      'an open transaction: not beyond the segment that it begins in',
      { lastStableOffset: 25 },
      { firstUncleanableOffset: 20, cleanableBytes: 200 },
    ],
    ['at a segment: up to there', { lastStableOffset: 30 }, { firstUncleanableOffset: 30 }],
    [
      'nothing stable: nothing',
      { lastStableOffset: 0 },
      { firstUncleanableOffset: 0, cleanableBytes: 0, dirtyRatio: 0, isDue: false },
    ],
    [
      'min.compaction.lag.ms: the first segment that is younger ends it',
      { with: { minCompactionLagMs: 150_000 } },
      { firstUncleanableOffset: 30 },
    ],
    [
      'min.compaction.lag.ms, all old: to the active one',
      { with: { minCompactionLagMs: 60_000 } },
      { firstUncleanableOffset: 40 },
    ],
    [
      'max.compaction.lag.ms over: due whatever the ratio',
      { cleanedOffset: 30, with: { maxCompactionLagMs: 120_000 } },
      { isDue: true },
    ],
    ['max.compaction.lag.ms not over', { cleanedOffset: 30, with: { maxCompactionLagMs: 125_000 } }, { isDue: false }],
    [
      'max.compaction.lag.ms over, nothing to clean: not due',
      { cleanedOffset: 30, lastStableOffset: 30, with: { maxCompactionLagMs: 1 } },
      { isDue: false },
    ],
    [
      'below the log start: from there',
      { cleanedOffset: 5, logStartOffset: 12 },
      { firstDirtyOffset: 12, isReset: true, cleanableBytes: 300 },
    ],
    ['beyond the end: all of it', { cleanedOffset: 46 }, { firstDirtyOffset: 0, isReset: true }],
    [
      'at the end: nothing',
      { cleanedOffset: 45 },
      { firstDirtyOffset: 45, isReset: false, cleanableBytes: 0, isDue: false },
    ],
    ['only an active segment', { segments: segments.slice(4) }, { cleanBytes: 0, cleanableBytes: 0, isDue: false }],
  ])('%s', (_, changes, expected) => {
    expect(range(changes)).toMatchObject(expected)
  })
})

describe('segment groups', () => {
  const sized = (size: number, index: number) => ({
    baseOffset: index * 100,
    size,
    offsetIndexSize: 8,
    timeIndexSize: 12,
  })
  const basesOf = (sizes: readonly number[], limits: object): number[][] =>
    segmentGroups(sizes.map(sized), { segmentBytes: 100, indexBytes: 1000, endOffset: 10_000, ...limits }).map(group =>
      group.map(({ baseOffset }) => baseOffset / 100),
    )

  test.each<[string, readonly number[], object, number[][]]>([
    ['as many as a segment holds', [50, 50, 1, 99, 100], {}, [[0, 1], [2, 3], [4]]],
    ['one that is too large by itself', [300, 300, 10], {}, [[0], [1], [2]]],
    ['offset indexes', [1, 1, 1], { indexBytes: 16 }, [[0], [1], [2]]],
    ['time indexes', [1, 1, 1], { indexBytes: 24 }, [[0, 1], [2]]],
    ['none', [], {}, []],
  ])('%s', (_, sizes, limits, expected) => {
    expect(basesOf(sizes, limits)).toEqual(expected)
  })

  test('offsets: no further apart than an index can say; empty segments do not count', () => {
    const far = (size: number) =>
      [0, 2 ** 31 - 1, 2 ** 31 + 10].map(baseOffset => ({ baseOffset, size, offsetIndexSize: 0, timeIndexSize: 0 }))
    const limits = { segmentBytes: 100, indexBytes: 100, endOffset: 2 ** 31 + 20 }
    expect(segmentGroups(far(1), limits).map(group => group.length)).toEqual([1, 2])
    expect(segmentGroups(far(0), limits).map(group => group.length)).toEqual([3])
  })
})
