import { randomBytes, randomFillSync } from 'node:crypto'
import type { Random } from '../ports.ts'

/** Everything from the system's generator; small numbers are drawn in blocks, because a call into it costs about 1 µs. */
export class NodeRandom implements Random {
  readonly #block = new Uint32Array(256)
  #position = 256

  uint32(): number {
    if (this.#position === this.#block.length) {
      randomFillSync(this.#block)
      this.#position = 0
    }
    return this.#block[this.#position++]!
  }

  bytes(count: number): Uint8Array {
    return randomBytes(count)
  }
}
