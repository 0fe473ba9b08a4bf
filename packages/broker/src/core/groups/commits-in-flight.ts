import type { TopicPartition } from './entries.ts'

const keyOf = (topic: string, partition: number): string => `${partition} ${topic}`

/**
 * The commits of one group that are being written. There are as many as consumers of the group that wait, which is few, and they end in
 * the order they began in: so a commit is a place in a list, and only who asks about partitions pays for an index of them.
 */
export class CommitsInFlight {
  readonly #commits: (readonly TopicPartition[])[] = []
  /** Of all partitions in them; null: nobody asked since the last change. */
  #index: Map<string, TopicPartition> | null = null

  begin(offsets: readonly TopicPartition[]): void {
    this.#commits.push(offsets)
    this.#index = null
  }

  /** `offsets`: the list that it began with. */
  end(offsets: readonly TopicPartition[]): void {
    const at = this.#commits.indexOf(offsets)
    if (at < 0) return
    if (at === 0) this.#commits.shift()
    else this.#commits.splice(at, 1)
    this.#index = null
  }

  has(topic: string, partition: number): boolean {
    return this.#commits.length > 0 && this.#indexed().has(keyOf(topic, partition))
  }

  /** Each once. */
  partitions(): Iterable<TopicPartition> {
    return this.#commits.length === 0 ? [] : this.#indexed().values()
  }

  #indexed(): Map<string, TopicPartition> {
    return (this.#index ??= new Map(
      this.#commits.flat().map(each => [keyOf(each.topic, each.partition), each] as const),
    ))
  }
}
