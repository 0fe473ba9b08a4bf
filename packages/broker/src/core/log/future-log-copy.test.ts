import { describe, expect, test } from '@jest/globals'
import { FutureLogCopy, type CopiedLog, type CopyStep } from './future-log-copy.ts'
import { LeaderEpochCache } from './leader-epoch-cache.ts'

const mebibyte = 1024 * 1024

/** `[0, 3, 3]`: the leader epoch of each record; it begins at `start`. */
class Log implements CopiedLog {
  logStartOffset: number
  logEndOffset: number
  cutCount = 0
  leaderEpochs = new LeaderEpochCache()

  constructor(epochs: readonly number[] = [], start = 0) {
    this.logStartOffset = start
    this.logEndOffset = start
    this.append(epochs)
  }

  get nextOffset(): number {
    return this.logEndOffset
  }

  append(epochs: readonly number[]): void {
    for (const epoch of epochs) this.leaderEpochs.assign(epoch, this.logEndOffset++)
  }
}

function copyOf(current: Log, future: Log, isNew = false): FutureLogCopy {
  const copy = new FutureLogCopy({ current, future, isNew })
  if (!isNew) copy.onFlushed()
  return copy
}

const firstStep = (current: Log, future: Log): CopyStep => copyOf(current, future).next()

describe('copy of a log', () => {
  test.each<[string, Log, Log, CopyStep]>([
    ['behind', new Log([0, 0, 1]), new Log([0]), { kind: 'copy', fetchOffset: 1, endOffset: 3 }],
    ['at the end', new Log([0, 1]), new Log([0, 1]), { kind: 'swap' }],
    ['both empty', new Log(), new Log(), { kind: 'swap' }],
    ['ahead, of the same epoch', new Log([0, 0]), new Log([0, 0, 0]), { kind: 'truncate', endOffset: 2 }],
    ['of an epoch that was undone', new Log([0, 0, 2, 2]), new Log([0, 0, 1]), { kind: 'truncate', endOffset: 2 }],
    ['ends in an epoch that ended earlier', new Log([0, 1, 1]), new Log([0, 0, 0]), { kind: 'truncate', endOffset: 1 }],
    ['of an epoch that is not known any more', new Log([0, 0, 0]), new Log([0, 5]), { kind: 'truncate', endOffset: 1 }],
    ['nothing in common', new Log([3, 3]), new Log([1]), { kind: 'restart', startOffset: 0 }],
    ['begins behind the log', new Log([0, 0]), new Log([0], 1), { kind: 'restart', startOffset: 0 }],
    ['ends before the log begins', new Log([1], 5), new Log([0, 0]), { kind: 'restart', startOffset: 5 }],
    ['no epochs, left by a former life', new Log([0, 0]), new Log([-1]), { kind: 'restart', startOffset: 0 }],
    [
      'begins before the log: what is below its start is let go',
      new Log([0], 2),
      new Log([0, 0]),
      { kind: 'copy', fetchOffset: 2, endOffset: 3 },
    ],
  ])('%s', (_, current, future, step) => {
    expect(firstStep(current, future)).toEqual(step)
  })

  test('records without epochs, copied here: go on, until the log is cut', () => {
    const current = new Log([-1, -1, -1])
    const future = new Log()
    const copy = copyOf(current, future, true)
    expect(copy.next()).toEqual({ kind: 'copy', fetchOffset: 0, endOffset: 3 })
    future.append([-1])
    expect(copy.next()).toEqual({ kind: 'copy', fetchOffset: 1, endOffset: 3 })
    current.cutCount++
    expect(copy.next()).toEqual({ kind: 'restart', startOffset: 0 })
  })

  test('a batch across the end of the copy: begins anew', () => {
    const copy = copyOf(new Log([0, 0]), new Log([0]))
    copy.onOverlap()
    expect(copy.next()).toEqual({ kind: 'restart', startOffset: 0 })
    expect(copy.next().kind).toBe('copy')
  })

  test('no batch up to the end: skipped; asked again after a cut', () => {
    const current = new Log([0, 0])
    const copy = copyOf(current, new Log([0]))
    copy.onNothingLeft()
    expect(copy.next()).toEqual({ kind: 'skip', endOffset: 2 })
    current.cutCount++
    expect(copy.next().kind).toBe('copy')
  })

  test('flushes: while it copies much, what a former life left, and before the swap what is more than a little', () => {
    const current = new Log([0, 0])
    const future = new Log([0])
    const copy = new FutureLogCopy({ current, future, isNew: false })
    expect(copy.next().kind).toBe('flush')
    copy.onFlushed()
    copy.onCopied(31 * mebibyte)
    expect(copy.next().kind).toBe('copy')
    copy.onCopied(mebibyte)
    expect(copy.next().kind).toBe('flush')
    copy.onFlushed()
    future.append([0])
    copy.onCopied(5 * mebibyte)
    expect(copy.next().kind).toBe('flush')
    copy.onFlushed()
    copy.onCopied(mebibyte)
    expect(copy.next().kind).toBe('swap')
  })

  test('slices in a turn: one; more when it falls back for good; all of the rest when that is little', () => {
    const current = new Log(Array.from({ length: 100 }, () => 0))
    const copy = copyOf(current, new Log([0]))
    const far = { remainingBytes: 100 * mebibyte, sliceBytes: mebibyte }
    const seen = new Set<number>()
    for (let turn = 0; turn < 63; turn++) seen.add(copy.slicesInTurn(far))
    expect([...seen]).toEqual([1])
    for (const expected of [1, 2, 4, 8, 16, 16]) {
      expect(copy.slicesInTurn(far)).toBe(expected)
      for (let turn = 0; turn < 63; turn++) copy.slicesInTurn(far)
      current.append([0])
    }
    expect(copy.slicesInTurn({ remainingBytes: 4 * mebibyte, sliceBytes: mebibyte })).toBe(16)
  })
})
