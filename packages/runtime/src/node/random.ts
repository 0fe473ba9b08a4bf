import fs from 'node:fs'
import type * as Crypto from 'node:crypto'
import type { Random } from '../ports.ts'

/**
 * Everything from the system's generator, read as a file: it is the one that node:crypto draws from, which costs a start
 * 4 ms and 3 MB to load. Where there is no such file (Windows), node:crypto. Small numbers are drawn in blocks.
 */
export class NodeRandom implements Random {
  readonly #block = Buffer.allocUnsafeSlow(1024)
  #position = this.#block.length

  uint32(): number {
    return this.#block.readUInt32LE(this.#take(4))
  }

  bytes(count: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(count)
    if (count > drawnInBlocksMax) {
      fill(bytes)
      return bytes
    }
    const start = this.#take(count)
    this.#block.copy(bytes, 0, start, start + count)
    // May be a secret: it is kept where it was asked for, and nowhere else.
    this.#block.fill(0, start, start + count)
    return bytes
  }

  /** Where the next `count` bytes of the block are, which nobody gets again. */
  #take(count: number): number {
    if (this.#position + count > this.#block.length) {
      fill(this.#block)
      this.#position = 0
    }
    const start = this.#position
    this.#position += count
    return start
  }
}

/** A call to the system costs as much as the rest of a small request. */
const drawnInBlocksMax = 64

/** Null: there is none. Undefined: not looked for yet. Stays open: one for the process. */
let device: number | null | undefined

function fill(bytes: Buffer): void {
  if (device === undefined) device = openDevice()
  for (let filled = 0; filled < bytes.length;) {
    const count = device === null ? 0 : fs.readSync(device, bytes, filled, bytes.length - filled, null)
    if (count === 0) return fillByCrypto(bytes)
    filled += count
  }
}

function openDevice(): number | null {
  try {
    const opened = fs.openSync('/dev/urandom', 'r')
    if (fs.fstatSync(opened).isCharacterDevice()) return opened
    // Somebody made an ordinary file of that name: whatever it holds is not random.
    fs.closeSync(opened)
  } catch {
    // No such file on this system, or not for us: node:crypto asks the system in its own way.
  }
  return null
}

function fillByCrypto(bytes: Buffer): void {
  const { randomFillSync } = process.getBuiltinModule('node:crypto') as typeof Crypto
  randomFillSync(bytes)
}
