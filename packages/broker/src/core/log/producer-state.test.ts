import { describe, expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { buildEndTransactionMarker, ControlType } from '@millrace/protocol/records/control-record'
import { endMarkerOf } from './end-marker.ts'
import { ProducerState } from './producer-state.ts'

interface Spec {
  readonly epoch?: number
  readonly sequence?: number
  readonly count?: number
  readonly at?: number
  readonly isTransactional?: boolean
  readonly producerId?: number
}

function batch({ epoch = 0, sequence = 0, count = 1, at = 0, isTransactional = false, producerId = 7 }: Spec): Buffer {
  const records = Array.from({ length: count }, () => ({ timestamp: 1000, key: null, value: null }))
  return buildBatch(records, {
    producerId,
    producerEpoch: epoch,
    baseSequence: sequence,
    baseOffset: at,
    isTransactional,
  })
}

/** Appends, and answers what the check said before. */
function offer(state: ProducerState, spec: Spec): number {
  const { errorCode, duplicate } = state.check(batch(spec), 0)
  if (errorCode === ErrorCode.NONE && duplicate === null) state.onBatch(batch(spec), 0)
  return errorCode
}

const max = 0x7fffffff
const { NONE, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE } = ErrorCode

describe('sequences', () => {
  test.each([
    ['the next', { sequence: 3 }, NONE],
    ['a gap', { sequence: 4 }, OUT_OF_ORDER_SEQUENCE_NUMBER],
    ['back, not a repetition', { sequence: 1 }, OUT_OF_ORDER_SEQUENCE_NUMBER],
    ['an old epoch', { epoch: 4, sequence: 3 }, INVALID_PRODUCER_EPOCH],
    ['a new epoch from 0', { epoch: 6, sequence: 0 }, NONE],
    ['a new epoch from elsewhere', { epoch: 6, sequence: 3 }, OUT_OF_ORDER_SEQUENCE_NUMBER],
    ['another producer from anywhere', { producerId: 8, sequence: 99 }, NONE],
  ])('producer: epoch 5, sequences 0 to 2 known: %s', (_, spec, expected) => {
    const state = new ProducerState()
    offer(state, { epoch: 5, count: 3 })
    expect(offer(state, { epoch: 5, ...spec })).toBe(expected)
  })

  test('producer: sequence at its end: goes on from 0', () => {
    const state = new ProducerState()
    offer(state, { sequence: max - 1, count: 2 })
    expect(offer(state, { sequence: 1 })).toBe(OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(offer(state, { sequence: 0 })).toBe(NONE)
  })

  test('producer: a batch that wraps inside: the next follows its last, and the repetition is recognised', () => {
    const state = new ProducerState()
    offer(state, { sequence: max, count: 3 })
    expect(state.check(batch({ sequence: max, count: 3 }), 0).duplicate).toMatchObject({ lastSequence: 1 })
    expect(offer(state, { sequence: 2 })).toBe(NONE)
  })

  test('producer: one of the last five batches again: its offsets; an older one: out of order', () => {
    const state = new ProducerState()
    for (let sequence = 0; sequence < 6; sequence++) offer(state, { sequence, at: 100 + sequence })
    expect(state.check(batch({ sequence: 1 }), 0).duplicate).toMatchObject({ lastOffset: 101 })
    expect(state.check(batch({ sequence: 0 }), 0)).toMatchObject({
      errorCode: OUT_OF_ORDER_SEQUENCE_NUMBER,
      duplicate: null,
    })
  })

  test('producer: restored from a snapshot: the last batch is known, expired producers are not', () => {
    const state = new ProducerState()
    for (let sequence = 0; sequence < 3; sequence++) offer(state, { sequence, at: sequence })
    const restored = new ProducerState()
    restored.load(state.snapshot(), 3, 2000, 5000)
    expect(restored.check(batch({ sequence: 2 }), 0).duplicate).toMatchObject({ lastOffset: 2 })
    expect(offer(restored, { sequence: 3 })).toBe(NONE)
    restored.load(state.snapshot(), 3, 6000, 5000)
    expect(restored.count).toBe(0)
  })

  test('producer: nothing written for the expiration time: forgotten, unless a transaction is open', () => {
    const state = new ProducerState()
    offer(state, { producerId: 1 })
    offer(state, { producerId: 2, isTransactional: true })
    expect(state.expire(5999, 5000)).toBe(0)
    expect(state.expire(6000, 5000)).toBe(1)
    expect(state.active().map(({ producerId }) => producerId)).toEqual([2])
  })
})

describe('transactions', () => {
  const marker = (type: ControlType, at: number, producerId = 7, coordinatorEpoch = 1, producerEpoch = 0): Buffer =>
    buildEndTransactionMarker({ type, coordinatorEpoch, producerId, producerEpoch, timestamp: 1000, baseOffset: at })
  const end = (state: ProducerState, bytes: Buffer) => state.onMarker(bytes, 0, endMarkerOf(bytes, 0)!)

  test('transaction: open, aborted, and committed on all replicas: what is stable follows', () => {
    const state = new ProducerState()
    offer(state, { isTransactional: true, at: 10 })
    offer(state, { isTransactional: true, at: 20, producerId: 8 })
    expect(state.transactions.firstUnstableOffset).toBe(10)
    const completed = end(state, marker(ControlType.Abort, 30))
    expect(completed).toEqual({ producerId: 7, firstOffset: 10, lastOffset: 30, isAborted: true })
    expect(state.transactions.lastStableOffsetAfter(completed!)).toBe(20)
    // The marker is in the log, but a new leader may not have it.
    expect(state.transactions.firstUnstableOffset).toBe(10)
    state.transactions.onHighWatermark(30)
    expect(state.transactions.firstUnstableOffset).toBe(10)
    state.transactions.onHighWatermark(31)
    expect(state.transactions.firstUnstableOffset).toBe(20)
    end(state, marker(ControlType.Commit, 40, 8))
    state.transactions.onHighWatermark(41)
    expect(state.transactions.firstUnstableOffset).toBeNull()
  })

  test('transaction: a batch outside of it while it is open: INVALID_TXN_STATE', () => {
    const state = new ProducerState()
    offer(state, { isTransactional: true })
    expect(offer(state, { sequence: 1 })).toBe(INVALID_TXN_STATE)
    expect(offer(state, { sequence: 1, isTransactional: true })).toBe(NONE)
  })

  test('marker: of an older coordinator, of an older epoch, without a transaction', () => {
    const state = new ProducerState()
    offer(state, { isTransactional: true, epoch: 2 })
    end(state, marker(ControlType.Commit, 5, 7, 9, 2))
    const check = (bytes: Buffer) => state.checkMarker(bytes, 0, endMarkerOf(bytes, 0)!).errorCode
    expect(check(marker(ControlType.Commit, 6, 7, 8, 2))).toBe(ErrorCode.TRANSACTION_COORDINATOR_FENCED)
    expect(check(marker(ControlType.Commit, 6, 7, 9, 1))).toBe(INVALID_PRODUCER_EPOCH)
    expect(end(state, marker(ControlType.Commit, 6, 7, 9, 3))).toBeNull()
    // The marker raised the epoch, so the sequence starts anew.
    expect(offer(state, { epoch: 3, sequence: 1 })).toBe(OUT_OF_ORDER_SEQUENCE_NUMBER)
    expect(offer(state, { epoch: 3, sequence: 0 })).toBe(NONE)
  })

  test('transaction: restored from a snapshot: still open, oldest first', () => {
    const state = new ProducerState()
    offer(state, { isTransactional: true, producerId: 8, at: 4 })
    offer(state, { isTransactional: true, producerId: 9, at: 2 })
    const restored = new ProducerState()
    restored.load(state.snapshot(), 10, 2000, 5000)
    expect(restored.transactions.firstUnstableOffset).toBe(2)
  })
})
