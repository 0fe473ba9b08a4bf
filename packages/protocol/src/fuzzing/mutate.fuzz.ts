import type { Chance } from './chance.fuzz.ts'

/** What lengths, counts, tags and epochs break on. */
const interesting = [
  0, 1, -1, -2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -0x80000000, 0x10000, 0x00ffffff,
]

/** `bytes` with one to four things wrong. The original stays as it is. */
export function mutate(bytes: Buffer, chance: Chance): Buffer {
  let result: Buffer = Buffer.from(bytes)
  for (let left = 1 + chance.below(4); left > 0; left--) result = change(result, chance)
  return result
}

function change(bytes: Buffer, chance: Chance): Buffer {
  const at = chance.below(bytes.length + 1)
  const size = 1 + chance.below(chance.is(0.1) ? 40 : 6)
  switch (chance.below(8)) {
    case 0: // a bit
      if (at < bytes.length) bytes[at]! ^= 1 << chance.below(8)
      return bytes
    case 1: // a byte
      if (at < bytes.length) bytes[at] = chance.of(interesting) & 0xff
      return bytes
    case 2: // a 16-bit length
      if (at + 2 <= bytes.length) bytes.writeInt16BE((chance.of(interesting) << 16) >> 16, at)
      return bytes
    case 3: // a 32-bit length or count
      if (at + 4 <= bytes.length) bytes.writeInt32BE(chance.of(interesting) | 0, at)
      return bytes
    case 4: // a longer varint
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from('ffffffff0f', 'hex').subarray(chance.below(5)),
        bytes.subarray(at + 1),
      ])
    case 5: // the end
      return bytes.subarray(0, at)
    case 6: // a hole
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)])
    default: // something twice, or something new
      return Buffer.concat([
        bytes.subarray(0, at),
        chance.is(0.5) ? bytes.subarray(at, at + size) : chance.bytes(size),
        bytes.subarray(at),
      ])
  }
}
