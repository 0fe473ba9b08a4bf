import { describe, expect, test } from '@jest/globals'
import { mustRoll, segmentsToDelete } from './segment-rules.ts'
import type { RetentionQuestion, RollQuestion } from './segment-rules.ts'

describe('roll', () => {
  const calm: RollQuestion = {
    size: 500,
    baseOffset: 100,
    firstTimestamp: 1000,
    createdMs: 1000,
    isIndexFull: false,
    jitterMs: 0,
    appendSize: 100,
    appendLastOffset: 200,
    appendMaxTimestamp: 1500,
    nowMs: 9_000_000,
    segmentBytes: 600,
    segmentMs: 1000,
  }

  test.each([
    ['room for exactly this append', {}, false],
    ['one byte too many', { appendSize: 101 }, true],
    ['empty, append as large as a segment', { size: 0, appendSize: 600 }, false],
    ['records a segment.ms apart', { appendMaxTimestamp: 2000 }, false],
    ['records more than a segment.ms apart', { appendMaxTimestamp: 2001 }, true],
    ['records apart, but jitter takes some off', { appendMaxTimestamp: 1991, jitterMs: 10 }, true],
    ['no timestamps: age by the clock', { firstTimestamp: -1, createdMs: 8_998_999 }, true],
    ['no timestamps, young', { firstTimestamp: -1, createdMs: 8_999_999 }, false],
    ['empty and old', { size: 0, firstTimestamp: -1 }, false],
    ['index full', { isIndexFull: true }, true],
    ['last offset as far as int32 reaches', { appendLastOffset: 100 + 0x7fffffff }, false],
    ['last offset beyond int32', { appendLastOffset: 101 + 0x7fffffff }, true],
  ])('roll: %s: %p %p', (_, change, expected) => {
    expect(mustRoll({ ...calm, ...change })).toBe(expected)
  })
})

describe('retention', () => {
  const segment = (baseOffset: number, size: number, largestTimestamp: number) => ({
    baseOffset,
    size,
    largestTimestamp: () => largestTimestamp,
  })
  const question: RetentionQuestion = {
    segments: [segment(0, 100, 1000), segment(10, 100, 2000), segment(20, 100, 3000), segment(30, 50, 4000)],
    logStartOffset: 0,
    logEndOffset: 40,
    highWatermark: 40,
    nowMs: 10_000,
    settings: { retentionMs: -1, retentionBytes: -1, deletes: true },
  }
  const ask = (change: Partial<RetentionQuestion>, settings: Partial<RetentionQuestion['settings']> = {}) =>
    segmentsToDelete({ ...question, ...change, settings: { ...question.settings, ...settings } })

  test.each([
    ['nothing is limited', {}, {}, null],
    ['by time: strictly older than retention.ms', {}, { retentionMs: 8000 }, { count: 1, reason: 'time' }],
    ['by time: all, the active one too', {}, { retentionMs: 1 }, { count: 4, reason: 'time' }],
    ['by time: not above the high watermark', { highWatermark: 25 }, { retentionMs: 1 }, { count: 2, reason: 'time' }],
    ['by size: never below retention.bytes', {}, { retentionBytes: 149 }, { count: 2, reason: 'size' }],
    ['by size: exactly', {}, { retentionBytes: 150 }, { count: 2, reason: 'size' }],
    [
      'by size: 0 takes all that is committed',
      { highWatermark: 30 },
      { retentionBytes: 0 },
      { count: 3, reason: 'size' },
    ],
    ['by size before time', {}, { retentionBytes: 250, retentionMs: 1 }, { count: 1, reason: 'size' }],
    ['by log start, first of all', { logStartOffset: 20 }, { retentionMs: 1 }, { count: 2, reason: 'logStart' }],
    ['by log start: inside the first segment', { logStartOffset: 9 }, {}, null],
    ['compact only: time and size do not count', {}, { retentionMs: 1, retentionBytes: 0, deletes: false }, null],
    ['compact only: log start does', { logStartOffset: 10 }, { deletes: false }, { count: 1, reason: 'logStart' }],
    ['an empty active segment stays', { segments: [segment(40, 0, 1)], logEndOffset: 40 }, { retentionMs: 1 }, null],
  ] as const)('retention: %s', (_, change, settings, expected) => {
    expect(ask(change, settings)).toEqual(expected)
  })
})
