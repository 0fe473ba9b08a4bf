import { writeRecentUuid } from './recent-uuid.ts'
import { ZERO_UUID } from './schema.ts'
import { UnencodableMessage } from './unencodable-message.ts'

declare global {
  interface Buffer {
    utf8Write(text: string, offset: number): number
  }
}

/** Byte fields from this size on are handed out as they are by `finishParts`, not copied. Below it one more write costs more than the copy. */
export const SLICE_FROM_BYTES = 4096

/**
 * Memory that idle writers share. A message usually takes a few hundred bytes: writers cut them from one block, one after the other,
 * so that most messages cost no allocation. A block is 16 KiB because one small message that waits for a slow peer keeps all of it.
 */
const BLOCK_BYTES = 16 * 1024
const LEAST_ROOM = 512

interface Block {
  readonly buffer: Buffer
  readonly view: DataView
}

let idleBlock: Block = newBlock(BLOCK_BYTES)
let idleFrom = 0

/** Writes one message, then `finish` or `finishParts`. Throws UnencodableMessage for numbers that their field cannot hold. */
export class Writer {
  #block: Block
  #view: DataView
  #buffer: Buffer
  /** Where the bytes that are not yet in `#parts` begin. */
  #from: number
  #position: number
  #limit: number
  /** Null: nothing was sliced, as in most messages. */
  #parts: Uint8Array[] | null = null
  #partsSize = 0
  /** Inside a tagged field nothing is sliced: its size goes in front of it. */
  #openTags = 0

  constructor() {
    // Whoever takes the block leaves an empty one: a second writer that starts before this one finishes must not share its bytes.
    const isRoomy = idleBlock.buffer.length - idleFrom >= LEAST_ROOM
    this.#block = isRoomy ? idleBlock : newBlock(BLOCK_BYTES)
    this.#from = isRoomy ? idleFrom : 0
    idleBlock = emptyBlock
    idleFrom = 0
    this.#view = this.#block.view
    this.#buffer = this.#block.buffer
    this.#position = this.#from
    this.#limit = this.#buffer.length
  }

  /** Bytes written so far, slices included. */
  get size(): number {
    return this.#partsSize + this.#position - this.#from
  }

  bool(value: boolean): void {
    if (value !== true && value !== false) refuse(value, 'bool')
    const at = this.#reserve(1)
    this.#buffer[at] = value ? 1 : 0
  }

  int8(value: number): void {
    if ((value << 24) >> 24 !== value) refuse(value, 'int8')
    const at = this.#reserve(1)
    this.#buffer[at] = value
  }

  int16(value: number): void {
    if ((value << 16) >> 16 !== value) refuse(value, 'int16')
    const at = this.#reserve(2)
    this.#view.setInt16(at, value)
  }

  uint16(value: number): void {
    if ((value & 0xffff) !== value) refuse(value, 'uint16')
    const at = this.#reserve(2)
    this.#view.setUint16(at, value)
  }

  int32(value: number): void {
    if ((value | 0) !== value) refuse(value, 'int32')
    const at = this.#reserve(4)
    this.#view.setInt32(at, value)
  }

  uint32(value: number): void {
    if (value >>> 0 !== value) refuse(value, 'uint32')
    const at = this.#reserve(4)
    this.#view.setUint32(at, value)
  }

  int64(value: number): void {
    if (!Number.isSafeInteger(value)) refuse(value, 'int64')
    const at = this.#reserve(8)
    const high = Math.floor(value / 0x1_0000_0000)
    this.#view.setInt32(at, high)
    this.#view.setUint32(at + 4, value - high * 0x1_0000_0000)
  }

  /** Beyond 2^53 a number is whole, but 2^63 itself is no int64: the largest one stands for it. */
  nearestInt64(value: number): void {
    if (Number.isSafeInteger(value)) return this.int64(value)
    if (!Number.isInteger(value) || Math.abs(value) > 2 ** 63) refuse(value, 'int64')
    this.bigint64(value === 2 ** 63 ? 2n ** 63n - 1n : BigInt(value))
  }

  bigint64(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) refuse(value, 'int64')
    const at = this.#reserve(8)
    this.#view.setBigInt64(at, value)
  }

  float64(value: number): void {
    if (typeof value !== 'number') refuse(value, 'float64')
    const at = this.#reserve(8)
    this.#view.setFloat64(at, value)
  }

  uvarint(value: number): void {
    if (value >>> 0 !== value) refuse(value, 'unsigned varint')
    this.#ensure(5)
    this.#position = this.#uvarintAt(this.#position, value)
  }

  uuid(value: string): void {
    const at = this.#reserve(16)
    if (value === ZERO_UUID) {
      this.#buffer.fill(0, at, at + 16)
      return
    }
    if (!writeRecentUuid(value, this.#buffer, at)) refuse(value, 'uuid')
  }

  string(value: string): void {
    const room = this.#ensure(2 + value.length * 3)
    const size = this.#textAt(room + 2, value)
    this.#view.setInt16(room, size)
    this.#position = room + 2 + size
  }

  nullableString(value: string | null): void {
    if (value === null) this.int16(-1)
    else this.string(value)
  }

  compactString(value: string): void {
    const room = this.#ensure(5 + value.length * 3)
    // Up to 42 UTF-16 units are at most 126 bytes, so the size takes one byte. Longer ones are measured first.
    if (value.length <= 42) {
      const size = this.#textAt(room + 1, value)
      this.#buffer[room] = size + 1
      this.#position = room + 1 + size
      return
    }
    const at = this.#uvarintAt(room, Buffer.byteLength(value) + 1)
    this.#position = at + this.#textAt(at, value)
  }

  compactNullableString(value: string | null): void {
    if (value === null) this.uvarint(0)
    else this.compactString(value)
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length)
    this.raw(value)
  }

  nullableBytes(value: Uint8Array | null): void {
    if (value === null) this.int32(-1)
    else this.bytes(value)
  }

  compactBytes(value: Uint8Array): void {
    this.uvarint(value.length + 1)
    this.raw(value)
  }

  compactNullableBytes(value: Uint8Array | null): void {
    if (value === null) this.uvarint(0)
    else this.compactBytes(value)
  }

  /** Length of an array; -1: null. */
  count(count: number): void {
    this.int32(count)
  }

  compactCount(count: number): void {
    this.uvarint(count + 1)
  }

  /** Bytes without a length. From SLICE_FROM_BYTES on they are not copied: they must stay as they are until the parts are written. */
  raw(bytes: Uint8Array): void {
    if (bytes.length >= SLICE_FROM_BYTES && this.#openTags === 0) {
      const parts = (this.#parts ??= [])
      parts.push(this.#cut(), bytes)
      this.#partsSize += bytes.length
      return
    }
    const at = this.#reserve(bytes.length)
    this.#buffer.set(bytes, at)
  }

  /** Starts a tagged field; give the answer to `endTag`. */
  beginTag(tagNumber: number): number {
    this.uvarint(tagNumber)
    this.#openTags++
    // One byte for the size: more only if the content turns out to need it.
    const at = this.#reserve(1)
    return at - this.#from
  }

  endTag(begun: number): void {
    this.#openTags--
    const at = this.#from + begun
    const size = this.#position - at - 1
    const extra = uvarintSize(size) - 1
    if (extra > 0) {
      this.#reserve(extra)
      // Growing may have moved everything.
      const content = this.#from + begun + 1
      this.#buffer.copyWithin(content + extra, content, content + size)
    }
    this.#uvarintAt(this.#from + begun, size)
  }

  /** All bytes in one piece; copies if slices were kept apart. The writer is done. */
  finish(): Buffer {
    const parts = this.finishParts()
    if (parts.length === 1) return parts[0] as Buffer
    return Buffer.concat(parts)
  }

  /** The message as a list of pieces, the large byte fields among them as they were given. The writer is done. */
  finishParts(): Uint8Array[] {
    let parts = this.#parts
    if (parts === null) parts = [this.#cut()]
    else if (this.#position > this.#from) parts.push(this.#cut())
    if (this.#block.buffer.length - this.#from > idleBlock.buffer.length - idleFrom) {
      idleBlock = this.#block
      idleFrom = this.#from
    }
    this.#block = emptyBlock
    this.#buffer = emptyBlock.buffer
    this.#view = emptyBlock.view
    this.#from = 0
    this.#position = 0
    this.#limit = 0
    return parts
  }

  #cut(): Uint8Array {
    const part = this.#buffer.subarray(this.#from, this.#position)
    this.#partsSize += part.length
    this.#from = this.#position
    return part
  }

  #reserve(size: number): number {
    const at = this.#position
    if (size <= this.#limit - at) {
      this.#position = at + size
      return at
    }
    this.#grow(size)
    const moved = this.#position
    this.#position = moved + size
    return moved
  }

  #ensure(size: number): number {
    if (size > this.#limit - this.#position) this.#grow(size)
    return this.#position
  }

  /** Moves what is not in a part yet into a block twice the size. */
  #grow(size: number): void {
    const used = this.#position - this.#from
    const block = newBlock(Math.max(BLOCK_BYTES, 2 * (used + size)))
    this.#buffer.copy(block.buffer, 0, this.#from, this.#position)
    this.#block = block
    this.#buffer = block.buffer
    this.#view = block.view
    this.#from = 0
    this.#position = used
    this.#limit = block.buffer.length
  }

  #uvarintAt(at: number, value: number): number {
    const buffer = this.#buffer
    while (value > 0x7f) {
      buffer[at++] = (value & 0x7f) | 0x80
      value >>>= 7
    }
    buffer[at++] = value
    return at
  }

  /** Writes text where there is room for three bytes per UTF-16 unit; answers its size. */
  #textAt(at: number, value: string): number {
    const { length } = value
    if (length <= 24) {
      const buffer = this.#buffer
      let index = 0
      for (; index < length; index++) {
        const unit = value.charCodeAt(index)
        if (unit > 0x7f) break
        buffer[at + index] = unit
      }
      // Short names are nearly always ASCII, and then this loop costs less than a call into C++.
      if (index === length) return length
    }
    const size = this.#buffer.utf8Write(value, at)
    if (size > 0x7fff) throw new UnencodableMessage(`string of ${size} bytes, at most 32767 are allowed`)
    return size
  }
}

function uvarintSize(value: number): number {
  let size = 1
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++
  return size
}

function newBlock(size: number): Block {
  const buffer = Buffer.allocUnsafeSlow(size)
  return { buffer, view: new DataView(buffer.buffer, buffer.byteOffset, size) }
}

const emptyBlock: Block = { buffer: Buffer.alloc(0), view: new DataView(new ArrayBuffer(0)) }

function refuse(value: unknown, kind: string): never {
  const shown = typeof value === 'string' ? `'${value}'` : String(value)
  throw new UnencodableMessage(`${shown} does not fit ${kind}`)
}
