/** Which broker does not hear which, of brokers in one process. Their transports ask (cut-transport.ts); tests decide. */
export class NetworkCuts {
  /** By listening port: the broker's id. Whoever starts brokers fills it. */
  readonly brokerAt = new Map<number, number>()
  private readonly cuts = new Set<string>()
  private readonly listeners = new Set<() => void>()

  /** Nothing that `from` sends arrives at `to` from now on; what was under way is on its way. The other direction is as before. */
  cut(from: number, to: number): void {
    this.cuts.add(`${from}>${to}`)
    this.changed()
  }

  cutBoth(a: number, b: number): void {
    this.cuts.add(`${a}>${b}`).add(`${b}>${a}`)
    this.changed()
  }

  /** Everything passes again, and what connections held back arrives, as TCP would send it again. */
  heal(): void {
    this.cuts.clear()
    this.changed()
  }

  isCut(from: number, to: number): boolean {
    return this.cuts.has(`${from}>${to}`)
  }

  /** Answers a function that removes the listener. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private changed(): void {
    for (const listener of [...this.listeners]) listener()
  }
}
