import type { Operation, Poll, Send } from './history.ts'

/** One offset of a partition, as somebody saw it. More than one value is an anomaly. */
export interface Position {
  readonly offset: number
  readonly values: readonly string[]
  /** Of the batch; -1: no reader knew it. */
  readonly leaderEpoch: number
}

/** All that a history says of one partition, indexed: the rules walk over this. */
export class PartitionHistory {
  readonly partition: number
  /** By value: its attempts. */
  readonly attempts: ReadonlyMap<string, readonly Send[]>
  readonly polls: readonly Poll[]
  /** The log as far as it is known, by offset. Offsets that hold no record (control batches, compaction) do not count. */
  readonly order: readonly Position[]
  /** By value: its first and its last index in `order`. */
  readonly places: ReadonlyMap<string, { readonly first: number; readonly last: number; readonly count: number }>
  /** Values that a reader was shown at any time. */
  readonly read: ReadonlySet<string>
  /** Values that are there in the end; those that were ever read, when nobody read everything at the end. */
  readonly present: ReadonlySet<string>
  /** Every send of the partition. */
  readonly sends: readonly Send[]

  constructor(partition: number, sends: readonly Send[], polls: readonly Poll[]) {
    this.partition = partition
    this.sends = sends
    this.polls = polls
    this.attempts = Map.groupBy(sends, ({ value }) => value)
    this.read = valuesOf(polls)
    this.present = polls.some(({ isFinal }) => isFinal) ? valuesOf(polls.filter(({ isFinal }) => isFinal)) : this.read
    this.order = orderOf(sends, polls)
    this.places = placesOf(this.order)
  }

  /** The leader epoch at that offset; -1: not known. */
  epochAt(offset: number): number {
    const position = this.order[this.indexFrom(offset)]
    return position?.offset === offset ? position.leaderEpoch : -1
  }

  /** Index of the first known offset from `offset` on. */
  indexFrom(offset: number): number {
    let low = 0
    let high = this.order.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.order[middle]!.offset < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Is the value at the offset that its acknowledgement named? */
  standsAt(value: string, offset: number): boolean {
    const position = this.order[this.indexFrom(offset)]
    return position?.offset === offset && position.values.includes(value)
  }
}

/** One index per partition that the history names. */
export function partitionsOf(history: readonly Operation[]): PartitionHistory[] {
  const byPartition = Map.groupBy(history, ({ partition }) => partition)
  return [...byPartition]
    .sort(([a], [b]) => a - b)
    .map(
      ([partition, operations]) =>
        new PartitionHistory(
          partition,
          operations.filter(each => each.type === 'send'),
          operations.filter(each => each.type === 'poll'),
        ),
    )
}

function valuesOf(polls: readonly Poll[]): ReadonlySet<string> {
  return new Set(polls.flatMap(({ records }) => records.map(([, value]) => value)))
}

/** The leader alone gave its word for acks=1: only what was read counts. What acks=all acknowledged counts unread. */
function orderOf(sends: readonly Send[], polls: readonly Poll[]): Position[] {
  const positions = new Map<number, { values: string[]; leaderEpoch: number }>()
  const put = (offset: number, value: string, leaderEpoch: number): void => {
    const position = positions.get(offset)
    if (position === undefined) return void positions.set(offset, { values: [value], leaderEpoch })
    if (!position.values.includes(value)) position.values.push(value)
    if (position.leaderEpoch < 0) position.leaderEpoch = leaderEpoch
  }
  for (const { records } of polls) for (const [offset, value, epoch] of records) put(offset, value, epoch)
  for (const { result, acks, offset, value } of sends) {
    if (result === 'ok' && acks === -1 && offset !== null) put(offset, value, -1)
  }
  return [...positions].sort(([a], [b]) => a - b).map(([offset, position]) => ({ offset, ...position }))
}

function placesOf(order: readonly Position[]): Map<string, { first: number; last: number; count: number }> {
  const places = new Map<string, { first: number; last: number; count: number }>()
  order.forEach(({ values }, index) => {
    for (const value of values) {
      const place = places.get(value)
      if (place === undefined) places.set(value, { first: index, last: index, count: 1 })
      else {
        place.last = index
        place.count++
      }
    }
  })
  return places
}
