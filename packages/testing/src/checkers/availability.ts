import type { Operation } from './history.ts'

/** A time in which nothing was acknowledged with acks=all. */
export interface Gap {
  readonly partition: number
  readonly startMs: number
  readonly gapMs: number
}

/** The longest gap of each partition, while a load ran from `startMs` to `endMs`. */
export function longestGaps(
  history: readonly Operation[],
  { startMs, endMs }: { readonly startMs: number; readonly endMs: number },
): Gap[] {
  const acked = history
    .filter(each => each.type === 'send')
    .filter(({ result, acks }) => result === 'ok' && acks === -1)
  const partitions = [...new Set(history.map(({ partition }) => partition))].sort((a, b) => a - b)
  const timesOf = Map.groupBy(acked, ({ partition }) => partition)
  return partitions.map(partition => {
    const times = (timesOf.get(partition) ?? []).map(send => send.endMs).sort((a, b) => a - b)
    let longest: Gap = { partition, startMs, gapMs: 0 }
    let last = startMs
    for (const time of [...times, endMs]) {
      if (time - last > longest.gapMs) longest = { partition, startMs: last, gapMs: time - last }
      last = Math.max(last, time)
    }
    return longest
  })
}
