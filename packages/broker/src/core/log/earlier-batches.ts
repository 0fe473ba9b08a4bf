import { decrementSequence, producerEpochAt, producerIdAt } from '@millrace/protocol/records/record-batch'
import { batchesRemembered, rememberedBatchAt } from './producer-state.ts'
import type { ProducerEntry, RememberedBatch } from './producer-state.ts'

interface Wanted {
  readonly entry: ProducerEntry
  /** In the part that is being walked, oldest first. */
  found: RememberedBatch[]
}

/**
 * Completes producers of whom a snapshot told the last batch only, from the batches before it. The end of a log is given part by part, the last
 * part first; the batches of a part in their order, as a log can only be walked forwards.
 */
export class EarlierBatches {
  readonly #wanted = new Map<number, Wanted>()

  constructor(entries: Iterable<ProducerEntry>) {
    for (const entry of entries) if (!isComplete(entry)) this.#wanted.set(entry.producerId, { entry, found: [] })
  }

  /** Nobody misses anything. */
  get isComplete(): boolean {
    return this.#wanted.size === 0
  }

  /** A batch of a producer, no marker. */
  note(buffer: Uint8Array, position: number): void {
    const wanted = this.#wanted.get(producerIdAt(buffer, position))
    if (wanted === undefined) return
    const { entry, found } = wanted
    // What an older epoch sent is forgotten when a newer one begins.
    if (producerEpochAt(buffer, position) !== entry.producerEpoch) return
    const batch = rememberedBatchAt(buffer, position)
    if (batch.lastOffset >= entry.batches[0]!.lastOffset) return
    if (found.length === batchesRemembered) found.shift()
    found.push(batch)
  }

  /** The part has been walked; the next one, if there is any, lies before it. */
  endPart(): void {
    for (const [producerId, wanted] of this.#wanted) {
      const { entry, found } = wanted
      if (found.length === 0) continue
      entry.batches = [...found, ...entry.batches].slice(-batchesRemembered)
      wanted.found = []
      if (isComplete(entry)) this.#wanted.delete(producerId)
    }
  }
}

/** As many as are remembered, or all of the epoch: the first has sequence 0. */
function isComplete({ batches }: ProducerEntry): boolean {
  const first = batches[0]
  if (first === undefined || batches.length >= batchesRemembered) return true
  return decrementSequence(first.lastSequence, first.offsetDelta) === 0
}
