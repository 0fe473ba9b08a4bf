import { gzipSync, inflateRawSync } from 'node:zlib'
import { CorruptPayload, payloadTooLarge } from './corrupt-payload.ts'
import { crc32 } from './crc32c.ts'
import { littleUint32At } from './little-endian.ts'
import { chunkSizeFor, isOutputTooLarge, zlibReason } from './zlib-calls.ts'
import type { Inflated } from './zlib-calls.ts'
import { contextBytesMax, inflating, KeptContext } from './zlib-context.ts'

/** Flag bits of a member's header (RFC 1952). */
const Flag = { headerCrc: 2, extra: 4, name: 8, comment: 16 } as const
const TRAILER_SIZE = 8
/** Deflate cannot expand more than this: 258 bytes from two bits. */
const MAX_RATIO = 1032
/** The smallest member is 20 bytes; Java looks for another one when more than 18 are left. */
const MIN_MEMBER_SIZE = 19

/** One gzip member. `level` is 1..9, or -1 for zlib's default (6), as in compression.gzip.level. */
export function gzip(payload: Uint8Array, level = -1): Uint8Array {
  return gzipSync(payload, { level, chunkSize: chunkSizeFor(payload.length) })
}

/**
 * All members of a gzip file, as Java's GZIPInputStream reads them: checksums and sizes are verified, and bytes after a member that are no
 * member header are ignored (so is a short rest). At most `maxBytes` bytes. Throws CorruptPayload.
 */
export function gunzip(file: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = []
  let total = 0
  let position = 0
  for (;;) {
    const start = memberStart(file, position)
    if (start < 0) {
      if (position === 0) throw new CorruptPayload('gzip', file.length === 0 ? 'empty' : 'no gzip header')
      break
    }
    const { buffer, engine } = inflate(file.subarray(start), maxBytes - total, maxBytes)
    position = start + engine.bytesWritten + TRAILER_SIZE
    if (position > file.length) throw new CorruptPayload('gzip', 'ends inside a trailer')
    const trailer = position - TRAILER_SIZE
    if (littleUint32At(file, trailer) !== crc32(buffer)) throw new CorruptPayload('gzip', 'wrong checksum')
    if (littleUint32At(file, trailer + 4) !== buffer.length) throw new CorruptPayload('gzip', 'wrong size in trailer')
    total += buffer.length
    parts.push(buffer)
    if (file.length - position < MIN_MEMBER_SIZE) break
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, total)
}

function inflate(deflated: Uint8Array, bytesLeft: number, maxBytes: number): Inflated {
  // The last four bytes are the size, if this is the last member and nothing follows: a hint, never a promise.
  const hint = deflated.length < 4 ? 0 : littleUint32At(deflated, deflated.length - 4)
  const expected = Math.min(hint, deflated.length * MAX_RATIO, bytesLeft)
  const ordinary = expected <= contextBytesMax ? inflatedInContext(deflated) : null
  if (ordinary !== null) {
    if (ordinary.buffer.length > bytesLeft) throw payloadTooLarge('gzip', maxBytes)
    return ordinary
  }
  try {
    const inflated = inflateRawSync(deflated, {
      info: true,
      maxOutputLength: Math.max(1, bytesLeft),
      chunkSize: chunkSizeFor(expected),
    }) as unknown as Inflated
    if (inflated.buffer.length > bytesLeft) throw payloadTooLarge('gzip', maxBytes)
    return inflated
  } catch (error) {
    if (error instanceof CorruptPayload) throw error
    if (isOutputTooLarge(error)) throw payloadTooLarge('gzip', maxBytes)
    throw new CorruptPayload('gzip', zlibReason(error), { cause: error })
  }
}

const context = new KeptContext(inflating)

/** Null: it is too large, or there is something wrong with it, which is then said by who takes all of them. */
function inflatedInContext(deflated: Uint8Array): Inflated | null {
  const run = context.run(deflated)
  return run === null ? null : { buffer: Buffer.from(run.bytes), engine: { bytesWritten: run.bytesTaken } }
}

/** Where the deflated bytes of the member at `position` begin; -1 when no member header stands there. */
function memberStart(file: Uint8Array, position: number): number {
  if (file.length - position < 10) return -1
  if (file[position] !== 0x1f || file[position + 1] !== 0x8b || file[position + 2] !== 8) return -1
  const flags = file[position + 3]!
  let at = position + 10
  if ((flags & Flag.extra) !== 0) at += 2 + (file[at] ?? 0) + ((file[at + 1] ?? 0) << 8)
  if ((flags & Flag.name) !== 0) at = afterZero(file, at)
  if ((flags & Flag.comment) !== 0) at = afterZero(file, at)
  if ((flags & Flag.headerCrc) !== 0) {
    if (at + 2 > file.length) return -1
    if ((file[at]! | (file[at + 1]! << 8)) !== (crc32(file, position, at) & 0xffff)) return -1
    at += 2
  }
  return at >= file.length ? -1 : at
}

function afterZero(file: Uint8Array, position: number): number {
  const zero = position >= file.length ? -1 : file.indexOf(0, position)
  return zero < 0 ? file.length : zero + 1
}
