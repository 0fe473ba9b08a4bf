import { describe, expect, test } from '@jest/globals'
import { BufferPool } from './buffer-pool.ts'

describe('buffer pool', () => {
  test.each([
    [0, 1024],
    [1025, 2048],
    [4096, 4096],
    [4097, 8192],
    [65536, 65536],
    [1_000_000, 1_048_576],
  ])('%i bytes asked: %i given', (asked, given) => {
    expect(new BufferPool().take(asked).length).toBe(given)
  })

  test('given back: used again for any size of its class', () => {
    const pool = new BufferPool()
    const buffer = pool.take(70_000)
    pool.give(buffer)
    expect(pool.idleBytes).toBe(131_072)
    expect(pool.take(131_072)).toBe(buffer)
    expect(pool.idleBytes).toBe(0)
    expect(pool.take(131_072)).not.toBe(buffer)
  })

  test('idle bytes: never above the limit', () => {
    const pool = new BufferPool({ idleBytesMax: 20_000 })
    const buffers = Array.from({ length: 10 }, () => pool.take(5000))
    for (const buffer of buffers) pool.give(buffer)
    expect(pool.idleBytes).toBe(16_384)
  })

  test('above the largest class: exact size, not kept', () => {
    const pool = new BufferPool({ largestClassBytes: 65_536 })
    const buffer = pool.take(65_537)
    expect(buffer.length).toBe(65_537)
    pool.give(buffer)
    expect(pool.idleBytes).toBe(0)
  })

  test('a view instead of the whole buffer: refused', () => {
    const pool = new BufferPool()
    expect(() => pool.give(pool.take(5000).subarray(0, 5000))).toThrow('the size it was taken with')
  })

  test('shared: used again only when every holder gave it back', () => {
    const pool = new BufferPool()
    const buffer = pool.take(1_000_000)
    const frame = buffer.subarray(100, 900_000)
    expect(pool.share(frame)).toBe(buffer)
    expect(pool.share(frame.subarray(0, 600_000))).toBe(buffer)
    pool.give(buffer)
    pool.give(buffer)
    expect(pool.idleBytes).toBe(0)
    expect(pool.take(1_000_000)).not.toBe(buffer)
    pool.give(buffer)
    expect(pool.idleBytes).toBe(1_048_576)
    const again = pool.take(1_000_000)
    expect(again).toBe(buffer)
    pool.give(again)
    expect(pool.idleBytes).toBe(1_048_576)
  })

  test.each([
    ['of another pool', (): Buffer => new BufferPool().take(1_000_000)],
    ['of no pool', (): Buffer => Buffer.allocUnsafeSlow(1_048_576)],
    ['less than half of their buffer', (): Buffer => shared.take(1_000_000).subarray(0, 500_000)],
    ['in a small buffer', (): Buffer => shared.take(100_000)],
  ])('bytes %s: not shared', (_what, bytes) => {
    expect(shared.share(bytes())).toBe(null)
  })

  test('given back: not shared any more', () => {
    const pool = new BufferPool()
    const buffer = pool.take(1_000_000)
    pool.give(buffer)
    expect(pool.share(buffer)).toBe(null)
  })
})

const shared = new BufferPool()
