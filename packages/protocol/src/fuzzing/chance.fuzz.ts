import { seededRandom } from '../compression/seeded-random.ts'

/** Random choices that a seed repeats. */
export class Chance {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** A whole number in 0..end-1. */
  below(end: number): number {
    return Math.floor(this.#random() * end)
  }

  /** True in `share` of all cases. */
  is(share: number): boolean {
    return this.#random() < share
  }

  of<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('nothing to choose from')
    return item
  }

  bytes(size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size)
    for (let index = 0; index < size; index++) bytes[index] = this.below(256)
    return bytes
  }
}
