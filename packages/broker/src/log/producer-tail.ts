import { isControlAt, producerIdAt } from '@millrace/protocol/records/record-batch'
import { EarlierBatches } from '../core/log/earlier-batches.ts'
import type { ProducerState } from '../core/log/producer-state.ts'
import type { LogContext } from './log-context.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'

/** How far back the batches before a snapshot are looked for: five of the largest that topics take by default, and some of others between them. */
const spanBytes = 8 * 1024 * 1024
/** A header costs about 0.1 µs, or a read of 3 µs where batches are large; then there are few in the span. So 5 ms at most. */
const headersMax = 20_000
/** Most logs have all they need in the last one. */
const partBytes = 256 * 1024
/** Small, because of large batches only headers are wanted. */
const windowBytes = 8 * 1024

interface Part {
  readonly segment: Segment
  readonly start: number
  readonly end: number
}

/**
 * A snapshot tells only the last batch of each producer (Kafka's format). A producer may have five unanswered, and repeats them all after every replica
 * has restarted; so those before the last are read again from the end of the log, as far as that is cheap. A log without producers is not touched.
 */
export function rememberEarlierBatches(
  context: LogContext,
  log: { readonly segments: Segments; readonly producers: ProducerState },
): void {
  const { producers, segments } = log
  if (producers.withFewBatches(0).length === 0) return
  const window = context.bufferPool.take(windowBytes)
  try {
    const parts = lastParts(segments)
    const earliest = parts.at(-1)
    if (earliest === undefined) return
    const first = earliest.segment.scan(earliest.start, window)
    // Who wrote nothing since would have the walk go on to its end for nothing.
    const earlier = new EarlierBatches(producers.withFewBatches(first.next() ? first.baseOffset : 0))
    let headers = 0
    for (const part of parts) {
      if (earlier.isComplete || headers > headersMax) return
      headers += walk(part, earlier, window)
    }
  } finally {
    context.bufferPool.give(window)
  }
}

/** The end of the log in parts that begin and end with batches, last first. */
function lastParts(segments: Segments): Part[] {
  const parts: Part[] = []
  let left = spanBytes
  for (let index = segments.count - 1; index >= 0 && left > 0; index--) {
    const segment = segments.at(index)!
    let end = segment.writtenSize
    while (end > 0 && left > 0) {
      const start = segment.batchStartBefore(Math.max(0, end - Math.min(partBytes, left)))
      // Where the index knows nothing for so long, looking would not be cheap.
      if (end - start > spanBytes) return parts
      parts.push({ segment, start, end })
      left -= end - start
      end = start
    }
  }
  return parts
}

/** The number of headers that were read. */
function walk({ segment, start, end }: Part, earlier: EarlierBatches, window: Buffer): number {
  const scan = segment.scan(start, window, end)
  let headers = 0
  while (scan.next()) {
    headers++
    if (scan.magic !== 2 || producerIdAt(scan.buffer, scan.headerPosition) < 0) continue
    if (!isControlAt(scan.buffer, scan.headerPosition)) earlier.note(scan.buffer, scan.headerPosition)
  }
  earlier.endPart()
  return headers
}
