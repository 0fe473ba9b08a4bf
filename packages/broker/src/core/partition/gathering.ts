/** With fewer active producers than this nobody waits: their records would hardly have met. */
const activeMin = 4
/** Of the active producers: the last ones may be slow, or gone. */
const enoughShare = 0.75
/** From here on what an exchange costs does not matter any more: better to send than to wait. */
const enoughBytes = 32 * 1024
/**
 * As many requests as this came within so many ms, or nobody waits: in `gatherMsMax` those who are waited for do not come at a lower rate. It is far
 * below that of four producers that are answered in a millisecond, and a broker that held up a few requests does not pass for a busy one.
 */
const recentCount = 16
const recentMsMax = 8
/** So often in a row waiting was in vain: then it is tried again after 2^7 answers only. */
const missesMax = 7

/**
 * Does it pay to let an answer to a follower wait a moment for more records? An exchange with a follower costs as much as several produce
 * requests, however many records it carries. Producers that wait for acks=all are answered together, when the last follower says that it has their
 * records, so their next requests come together too, but over several turns of the event loop. Who answers a follower with the first of them sends
 * the rest with the next exchange, and the two halves stay apart from then on: with 21 producers an exchange carried 10 records.
 *
 * ```
 *  producers   ─► waiting ──(committed)──► answered: away ──(next request)──► waiting …
 *  follower        enough of `waiting + away` are here that it was not sent yet: answer
 * ```
 *
 * This is a guess and may be wrong: producers that think before they send again are counted as away. So nobody waits where requests are few,
 * whoever waits has a limit (`gatherMsMax`), those who did not come in that time are counted no longer, and the more often waiting was in vain
 * the less often it is tried. It decides only when a follower gets what it may have: what is committed does not depend on it.
 */
export class Gathering {
  /** acks=all requests with records that are appended and not answered. */
  private waiting = 0
  /** Those answered whose producers have not sent again. */
  private away = 0
  /** Requests and bytes of all time: what a follower was not sent is the difference to its mark. */
  private requests = 0
  private bytes = 0
  /** How often in a row waiting was in vain, and how many answers do not wait because of that. */
  private misses = 0
  private skips = 0
  /** When each of the last requests came, in a ring. */
  private readonly recentMs = new Float64Array(recentCount).fill(-Infinity)
  private isBusy = false

  /** An acks=all request that came at `nowMs` appended so many bytes and waits to be answered. */
  onAppended(bytes: number, nowMs: number): void {
    const slot = this.requests++ % recentCount
    this.isBusy = nowMs - this.recentMs[slot]! <= recentMsMax
    this.recentMs[slot] = nowMs
    this.bytes += bytes
    this.waiting++
    if (this.away > 0) this.away--
  }

  /** It is answered, with whatever. */
  onAnswered(): void {
    this.waiting--
    this.away++
  }

  /** There are records for a follower: may more of them be here soon? */
  isWorthWaiting(mark: GatheringMark): boolean {
    const active = this.waiting + this.away
    if (!this.isBusy || active < activeMin || this.skips > 0) return false
    return this.requests - mark.requests < active * enoughShare && this.bytes - mark.bytes < enoughBytes
  }

  /** The follower is sent all there is, without having waited (`at-once`), when it was enough, or when the time was over (`late`). */
  onSent(mark: GatheringMark, when: 'at-once' | 'enough' | 'late'): void {
    mark.requests = this.requests
    mark.bytes = this.bytes
    if (this.skips > 0) this.skips--
    if (when === 'enough') this.misses = 0
    if (when !== 'late') return
    this.away = 0
    this.misses = Math.min(this.misses + 1, missesMax)
    this.skips = 2 ** this.misses
  }
}

/** How long an answer may wait for more, ms. Timers are no finer; it is less than a commit takes on a busy broker. */
export const gatherMsMax = 1

/** Up to where a follower was sent what producers appended. */
export class GatheringMark {
  requests = 0
  bytes = 0
}
