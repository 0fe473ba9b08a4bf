import type { Clock, Timers } from '@millrace/runtime/ports'
import type { PartitionLog } from './partition-log.ts'
import { isStorageFailure } from './storage-failure.ts'

/** So long requests wait for work that goes through all logs of a broker. */
const turnMs = 5

/** Work on each log that is still open when its turn comes; requests come in between, as each log is by itself. */
export async function visitLogs(
  world: { readonly clock: Clock; readonly timers: Timers },
  logs: readonly PartitionLog[],
  work: (log: PartitionLog) => void,
): Promise<void> {
  const { clock, timers } = world
  let endMs = clock.monotonicMs() + turnMs
  for (const log of logs) {
    if (clock.monotonicMs() >= endMs) {
      await new Promise<void>(resolve => timers.soon(resolve))
      endMs = clock.monotonicMs() + turnMs
    }
    try {
      if (log.isOpen) work(log)
    } catch (error) {
      // Its directory is offline by now, and has told everybody.
      if (!isStorageFailure(error)) throw error
    }
  }
}
