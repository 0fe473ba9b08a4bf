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
    if (this.#position === this.#block.length) {
      fill(this.#block)
      this.#position = 0
    }
    const value = this.#block.readUInt32LE(this.#position)
    this.#position += 4
    return value
  }

  bytes(count: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(count)
    fill(bytes)
    return bytes
  }
}

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
