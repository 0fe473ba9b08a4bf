import { ErrorCode } from '@millrace/protocol/errors'
import type { FetchWaiter } from '../replication/fetch-waiters.ts'
import type { PartitionFetch } from './partition-fetch.ts'

/**
 * A fetch that waits for `minBytes`: estimates from what is written how much a second read would find, so that it is read
 * once, when it pays. Estimates may be high (old segments may end a read early), never so low that data waits without end:
 * the deadline of the request reads again whatever was counted.
 */
export class FetchWait implements FetchWaiter {
  private readonly fetches: readonly PartitionFetch[]
  private readonly minBytes: number
  private readonly onReady: () => void
  private readonly writtenAtStart: number[]
  private readonly foundBytes: number[]
  private totalBytes = 0

  /** `fetches` were read and found too little; `onReady` is called once at most, and not after `leave`. */
  constructor(fetches: readonly PartitionFetch[], minBytes: number, onReady: () => void) {
    this.fetches = fetches
    this.minBytes = minBytes
    this.onReady = onReady
    this.writtenAtStart = fetches.map(fetch => fetch.partition?.writtenBytes ?? 0)
    this.foundBytes = fetches.map(() => 0)
  }

  enter(): void {
    this.fetches.forEach((fetch, token) => fetch.partition?.fetchWaiters.add(this, token))
  }

  leave(): void {
    for (const fetch of this.fetches) fetch.partition?.fetchWaiters.remove(this)
  }

  onPartitionChanged(token: number): void {
    const fetch = this.fetches[token]
    if (fetch?.partition == null) return
    // Leadership, epoch or disk changed: the answer is an error, and the client should have it now.
    if (fetch.refusal() !== ErrorCode.NONE) return this.onReady()
    const endOffset = fetch.endOffset()
    const { fetchOffset } = fetch.asked
    if (endOffset < fetchOffset) return this.onReady()
    if (endOffset === fetchOffset) return
    const found = Math.max(1, this.estimate(fetch, token))
    this.totalBytes += found - (this.foundBytes[token] ?? 0)
    this.foundBytes[token] = found
    if (this.totalBytes >= this.minBytes) this.onReady()
  }

  private estimate(fetch: PartitionFetch, token: number): number {
    // What was written before this fetch and is committed only now is not among the bytes written since.
    if (fetch.wasBehindLog) return fetch.measure()
    const written = (fetch.partition?.writtenBytes ?? 0) - (this.writtenAtStart[token] ?? 0)
    return Math.min(fetch.asked.maxBytes, fetch.firstReadSize + written)
  }
}
