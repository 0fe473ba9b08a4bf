interface Sample {
  readonly startMs: number
  amount: number
}

/**
 * How much per second, averaged over the last windows, as Kafka's quotas count it: a rate that has just begun is spread over
 * nearly all windows, so that a burst after silence is not taken for the rule.
 */
export class SampledRate {
  private readonly windowMs: number
  private readonly windowCount: number
  /** Oldest first. */
  private samples: Sample[] = []

  constructor(options: { readonly windowMs: number; readonly windowCount: number }) {
    this.windowMs = options.windowMs
    this.windowCount = options.windowCount
  }

  record(amount: number, nowMs: number): void {
    const last = this.samples.at(-1)
    if (last !== undefined && nowMs < last.startMs + this.windowMs) last.amount += amount
    else this.samples.push({ startMs: nowMs, amount })
    this.expire(nowMs)
  }

  perSecond(nowMs: number): number {
    this.expire(nowMs)
    const [oldest] = this.samples
    if (oldest === undefined) return 0
    const total = this.samples.reduce((sum, { amount }) => sum + amount, 0)
    const leastMs = Math.max(1, this.windowCount - 1) * this.windowMs
    return (total * 1000) / Math.max(leastMs, nowMs - oldest.startMs)
  }

  private expire(nowMs: number): void {
    const beginMs = nowMs - this.windowMs * this.windowCount
    while (this.samples.length > 0 && this.samples[0]!.startMs <= beginMs) this.samples.shift()
  }
}
