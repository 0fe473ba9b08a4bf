import { constants, deflateRawSync } from 'node:zlib'
import { crc32 } from './crc32c.ts'

/** About a millisecond of work at zlib's default level. */
const pieceBytes = 32 * 1024
/** How far deflate looks back. */
const windowBytes = 32 * 1024
/** Deflate, no name, no time; 255: the system is not told. */
const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff)
const trailerBytes = 8

/**
 * One gzip member, made piece by piece for whoever must not hold up others for as long as a large payload takes (35 ms per MiB). Each piece goes on
 * with what the one before has seen, so that little is lost (a few bytes per piece), and any reader takes it for one stream.
 */
export class GzipPieces {
  readonly #payload: Uint8Array
  readonly #parts: Uint8Array[] = [header]
  #position = 0

  /** Of at least one byte; it must stay as it is until the last piece. */
  constructor(payload: Uint8Array) {
    this.#payload = payload
  }

  get isDone(): boolean {
    return this.#position === this.#payload.length
  }

  /** Works on the next piece; the number of its bytes. */
  next(): number {
    const start = this.#position
    const end = Math.min(start + pieceBytes, this.#payload.length)
    const isLast = end === this.#payload.length
    this.#parts.push(
      deflateRawSync(this.#payload.subarray(start, end), {
        finishFlush: isLast ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
        chunkSize: pieceBytes + 1024,
        ...(start === 0 ? {} : { dictionary: this.#payload.subarray(Math.max(0, start - windowBytes), start) }),
      }),
    )
    this.#position = end
    return end - start
  }

  /** When it is done. */
  result(): Buffer {
    const trailer = Buffer.allocUnsafe(trailerBytes)
    trailer.writeUInt32LE(crc32(this.#payload), 0)
    trailer.writeUInt32LE(this.#payload.length, 4)
    return Buffer.concat([...this.#parts, trailer])
  }
}
