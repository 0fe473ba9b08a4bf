import { describe, expect, test } from '@jest/globals'
import { FrameSplitter } from './frame-splitter.ts'

describe('frame splitter', () => {
  test('a stream cut into chunks of any size: the same frames', () => {
    const frames = [0, 1, 3, 4, 5, 100, 0, 7].map(size => frameOf(Buffer.alloc(size, size)))
    const stream = Buffer.concat(frames)
    for (let chunkSize = 1; chunkSize <= stream.length; chunkSize++) {
      const splitter = new FrameSplitter()
      const seen: Buffer[] = []
      for (let start = 0; start < stream.length; start += chunkSize) {
        expect(splitter.push(stream.subarray(start, start + chunkSize), frame => seen.push(frame))).toBe(true)
      }
      expect({ chunkSize, seen }).toEqual({ chunkSize, seen: frames })
    }
  })

  test.each([-1, 64 * 1024 * 1024 + 1])('length %i: false', length => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(length)
    expect(new FrameSplitter().push(bytes, () => {})).toBe(false)
  })
})

function frameOf(payload: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(payload.length)
  return Buffer.concat([length, payload])
}
