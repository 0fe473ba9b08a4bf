import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { describe, expect, test } from '@jest/globals'
import { BufferPool } from './buffer-pool.ts'
import { FrameAssembler } from './frame-assembler.ts'
import type { Frame, RetainedFrame } from './ports.ts'

function framed(...payloads: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    payloads.flatMap(payload => {
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(payload.length)
      return [prefix, payload]
    }),
  )
}

function copyOf(frame: Frame | RetainedFrame): Buffer {
  return Buffer.from(frame.buffer.subarray(frame.start, frame.end))
}

/** Feeds the stream in pieces, as a socket would: into the open frame's buffer if there is one, else from a scratch buffer. */
function feed(assembler: FrameAssembler, stream: Buffer, random: SeededRandom, direct: boolean): void {
  const scratch = Buffer.alloc(700)
  for (let position = 0; position < stream.length;) {
    const target = direct ? assembler.target() : null
    const room = (target ?? scratch).length
    const count = Math.min(stream.length - position, 1 + random.below(room))
    stream.copy(target ?? scratch, 0, position, position + count)
    if (target === null) assembler.consume(scratch, 0, count)
    else assembler.filled(count)
    scratch.fill(0xee)
    position += count
  }
}

describe('frame assembler', () => {
  test.each([true, false])(
    'random sizes in random pieces: the same frames come out (direct %s, seeds 1 to 50)',
    direct => {
      for (let seed = 1; seed <= 50; seed++) {
        const random = new SeededRandom(seed)
        const payloads = Array.from({ length: 30 }, () =>
          random.bytes(random.below(4) === 0 ? random.below(20_000) : random.below(12)),
        )
        const received: Buffer[] = []
        const pool = new BufferPool()
        const assembler = new FrameAssembler({
          pool,
          frameBytesMax: 20_000,
          onFrame: frame => received.push(copyOf(frame)),
        })
        feed(assembler, framed(...payloads), random, direct)
        expect({ seed, frames: received.map(each => each.toString('hex')) }).toEqual({
          seed,
          frames: payloads.map(each => Buffer.from(each).toString('hex')),
        })
        expect(assembler.isInsideFrame).toBe(false)
      }
    },
  )

  test('retained: bytes stay while later frames arrive, buffers go back when released (seed 9)', () => {
    const random = new SeededRandom(9)
    const payloads = Array.from({ length: 20 }, () => random.bytes(random.below(9000)))
    const retained: RetainedFrame[] = []
    const pool = new BufferPool()
    const assembler = new FrameAssembler({
      pool,
      frameBytesMax: 20_000,
      onFrame: frame => retained.push(frame.retain()),
    })
    feed(assembler, framed(...payloads), random, true)
    expect(retained.map(frame => copyOf(frame).equals(payloads[retained.indexOf(frame)]!))).toEqual(
      payloads.map(() => true),
    )
    expect(pool.idleBytes).toBe(0)
    for (const frame of retained) frame.release()
    expect(pool.idleBytes).toBeGreaterThan(0)
    expect(() => retained[0]!.release()).toThrow('released once')
    expect(() => retained[0]!.buffer).toThrow('not read any more')
  })

  test('retained after onFrame returned: refused, because the bytes may be gone', () => {
    let kept: Frame | null = null
    const assembler = new FrameAssembler({
      pool: new BufferPool(),
      frameBytesMax: 100,
      onFrame: frame => (kept = frame),
    })
    const stream = framed(Buffer.from('abc'))
    assembler.consume(stream, 0, stream.length)
    expect(() => kept!.retain()).toThrow('inside onFrame')
  })

  test.each([-1, -2_147_483_648, 101, 2_147_483_647])(
    'announced size %i with a limit of 100: refused before anything is taken',
    size => {
      const pool = new BufferPool()
      const taken: number[] = []
      pool.take = bytes => {
        taken.push(bytes)
        return Buffer.alloc(bytes)
      }
      const assembler = new FrameAssembler({ pool, frameBytesMax: 100, onFrame: () => {} })
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(size)
      assembler.consume(prefix, 0, 2)
      expect(() => assembler.consume(prefix, 2, 4)).toThrow(`A frame of ${size} bytes`)
      expect(taken).toEqual([])
    },
  )

  test('stopped inside onFrame: the frames behind it are not delivered, a begun buffer goes back', () => {
    const pool = new BufferPool()
    let count = 0
    const assembler = new FrameAssembler({
      pool,
      frameBytesMax: 10_000,
      onFrame: () => {
        count++
        assembler.stop()
      },
    })
    const stream = framed(Buffer.from('a'), Buffer.from('b'), Buffer.alloc(8000))
    assembler.consume(stream, 0, 100)
    expect(count).toBe(1)

    const other = new FrameAssembler({ pool, frameBytesMax: 10_000, onFrame: () => {} })
    other.consume(stream, 0, 100)
    other.stop()
    expect(pool.idleBytes).toBe(8192)
    expect(other.target()).toBeNull()
  })

  test('receiver throws: the error comes out and the frame buffer goes back', () => {
    const pool = new BufferPool()
    const assembler = new FrameAssembler({
      pool,
      frameBytesMax: 10_000,
      onFrame: () => {
        throw new Error('mine')
      },
    })
    const stream = framed(Buffer.alloc(8000))
    assembler.consume(stream, 0, 100)
    stream.copy(assembler.target()!, 0, 100)
    expect(() => assembler.filled(8004 - 100)).toThrow('mine')
    expect(pool.idleBytes).toBe(8192)
  })
})
