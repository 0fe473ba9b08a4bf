import type { TailChunk } from './tail-chunk.ts'

/**
 * What was appended last, of all logs of a broker together, within one budget: readers that keep up get slices of memory
 * instead of reading the file (performance.md, rules 8 and 9). The oldest chunk goes first, whatever log it is of.
 */
export class TailCache {
  readonly #bytesMax: number
  #bytes = 0
  /** In the order they came. */
  readonly #chunks = new Set<TailChunk>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Memory held, room at the end of chunks included. */
  get bytes(): number {
    return this.#bytes
  }

  add(chunk: TailChunk): void {
    this.#chunks.add(chunk)
    this.#bytes += chunk.buffer.length
    this.trim()
  }

  forget(chunk: TailChunk): void {
    if (!this.#chunks.delete(chunk)) return
    this.#bytes -= chunk.buffer.length
    chunk.forget()
  }

  /** Back within the budget. What waits for its write stays, so call this after a write too. */
  trim(): void {
    if (this.#bytes <= this.#bytesMax) return
    for (const chunk of this.#chunks) {
      if (chunk.unwrittenSize > 0) continue
      this.forget(chunk)
      if (this.#bytes <= this.#bytesMax) return
    }
  }
}
