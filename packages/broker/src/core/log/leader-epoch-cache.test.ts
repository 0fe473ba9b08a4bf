import { expect, test } from '@jest/globals'
import { LeaderEpochCache } from './leader-epoch-cache.ts'

const cache = (...entries: [epoch: number, startOffset: number][]): LeaderEpochCache =>
  new LeaderEpochCache(entries.map(([epoch, startOffset]) => ({ epoch, startOffset })))
const entriesOf = (epochs: LeaderEpochCache): number[][] =>
  epochs.entries.map(({ epoch, startOffset }) => [epoch, startOffset])

test.each([
  // requested, answer: epochs 2 (from 0), 5 (from 10), 7 (from 20), log end 30
  [-1, -1, -1],
  [0, 0, 0],
  [1, 1, 0],
  [2, 2, 10],
  [3, 2, 10],
  [5, 5, 20],
  [6, 5, 20],
  [7, 7, 30],
  [8, -1, -1],
])('leader epochs: end of epoch %i: epoch %i ends at %i', (requested, leaderEpoch, endOffset) => {
  expect(cache([2, 0], [5, 10], [7, 20]).endOffsetFor(requested, 30)).toEqual({ leaderEpoch, endOffset })
})

test('leader epochs: empty: every question is undefined', () => {
  expect(cache().endOffsetFor(0, 30)).toEqual({ leaderEpoch: -1, endOffset: -1 })
  expect([cache().latest, cache().latestStartOffset]).toEqual([-1, -1])
})

test('leader epochs: assigned: known ones change nothing, a newer word replaces what contradicts it', () => {
  const epochs = cache([1, 0], [2, 10])
  expect(epochs.assign(2, 15)).toBe(false)
  expect(epochs.assign(3, 20)).toBe(true)
  expect(epochs.assign(4, 20)).toBe(true)
  expect(entriesOf(epochs)).toEqual([
    [1, 0],
    [2, 10],
    [4, 20],
  ])
  expect(epochs.assign(2, 5)).toBe(true)
  expect(entriesOf(epochs)).toEqual([
    [1, 0],
    [2, 5],
  ])
  expect(epochs.assign(-1, 5)).toBe(false)
})

test('leader epochs: truncated from the end and from the start', () => {
  const epochs = cache([1, 0], [2, 10], [3, 20])
  expect(epochs.truncateFromEnd(20)).toBe(true)
  expect(epochs.truncateFromEnd(20)).toBe(false)
  expect(entriesOf(epochs)).toEqual([
    [1, 0],
    [2, 10],
  ])
  expect(epochs.truncateFromStart(15)).toBe(true)
  expect(entriesOf(epochs)).toEqual([[2, 15]])
  expect(epochs.truncateFromStart(15)).toBe(false)
  expect(epochs.truncateFromStart(3)).toBe(false)
})

test('leader epochs: which one wrote an offset', () => {
  const epochs = cache([1, 5], [4, 10])
  expect([4, 5, 9, 10, 99].map(offset => epochs.epochOf(offset))).toEqual([-1, 1, 1, 4, 4])
})
