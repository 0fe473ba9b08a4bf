export interface EpochEntry {
  readonly epoch: number
  readonly startOffset: number
}

/** What OffsetForLeaderEpoch answers; -1 and -1 when undefined. */
export interface EpochEndOffset {
  readonly leaderEpoch: number
  readonly endOffset: number
}

const undefinedEndOffset: EpochEndOffset = { leaderEpoch: -1, endOffset: -1 }

/** Which leader epoch wrote from which offset on (KIP-101, KIP-279). Ascending in both; pure: the shell writes the checkpoint. */
export class LeaderEpochCache {
  #entries: EpochEntry[]

  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = []
    for (const { epoch, startOffset } of entries) this.assign(epoch, startOffset)
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  /** The newest epoch, or -1. */
  get latest(): number {
    return this.#entries.at(-1)?.epoch ?? -1
  }

  /** Start of the newest epoch, or -1. */
  get latestStartOffset(): number {
    return this.#entries.at(-1)?.startOffset ?? -1
  }

  /** Notes that `epoch` begins at `startOffset`; true when the entries changed and must be written. Negative values are refused. */
  assign(epoch: number, startOffset: number): boolean {
    if (epoch < 0 || startOffset < 0) return false
    const last = this.#entries.at(-1)
    if (last !== undefined && last.epoch === epoch && last.startOffset <= startOffset) return false
    // What contradicts the new entry was written by leaders that lost: the newest word counts.
    const kept = this.#entries.filter(entry => entry.epoch < epoch && entry.startOffset < startOffset)
    // An array that grows keeps room for 16 more, in each of thousands of logs.
    this.#entries = [...kept, { epoch, startOffset }]
    return true
  }

  /**
   * End of the largest epoch at or below `requested`: the next epoch's start, or `logEndOffset` for the newest.
   * A requested epoch below all is answered with itself and the first start above it; one above all is undefined.
   */
  endOffsetFor(requested: number, logEndOffset: number): EpochEndOffset {
    const latest = this.latest
    if (requested < 0 || latest < 0 || requested > latest) return undefinedEndOffset
    if (requested === latest) return { leaderEpoch: latest, endOffset: logEndOffset }
    const next = this.#entries.findIndex(entry => entry.epoch > requested)
    const floor = next === 0 ? requested : this.#entries[next - 1]!.epoch
    return { leaderEpoch: floor, endOffset: this.#entries[next]!.startOffset }
  }

  /** The epoch that wrote `offset`, or -1. */
  epochOf(offset: number): number {
    let epoch = -1
    for (const entry of this.#entries) {
      if (entry.startOffset > offset) break
      epoch = entry.epoch
    }
    return epoch
  }

  /** Forgets epochs that begin at or after `endOffset`; true when something changed. */
  truncateFromEnd(endOffset: number): boolean {
    const kept = this.#entries.filter(entry => entry.startOffset < endOffset)
    const changed = kept.length !== this.#entries.length
    this.#entries = kept
    return changed
  }

  /** Forgets epochs that ended before `startOffset`; the one that holds it now begins there. True when something changed. */
  truncateFromStart(startOffset: number): boolean {
    const covering = this.#entries.findLastIndex(entry => entry.startOffset <= startOffset)
    if (covering < 0) return false
    const first = this.#entries[covering]!
    if (covering === 0 && first.startOffset === startOffset) return false
    this.#entries = [{ epoch: first.epoch, startOffset }, ...this.#entries.slice(covering + 1)]
    return true
  }

  /** What another log with the same records says of them; true when this one said otherwise. */
  replaceWith(entries: readonly EpochEntry[]): boolean {
    const isSame =
      entries.length === this.#entries.length &&
      entries.every(({ epoch, startOffset }, index) => {
        const own = this.#entries[index]!
        return own.epoch === epoch && own.startOffset === startOffset
      })
    this.#entries = [...entries]
    return !isSame
  }

  /** True when something was forgotten. */
  clear(): boolean {
    const changed = this.#entries.length > 0
    this.#entries = []
    return changed
  }
}
