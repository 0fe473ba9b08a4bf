import type { ControllerState } from './controller-state.ts'
import type { Leadership } from './leadership.ts'
import type { PartitionContext } from './partition-context.ts'
import { rereadLeadership, stateUpdate } from './partition-states.ts'
import { write } from './plan-step.ts'
import type { Plan } from './plan-step.ts'

/** A state that differs in ZooKeeper is read and tried again this many times before it is given up for now. */
const maxRounds = 10

/**
 * Writes what `next` makes of the state of each partition, compare and set, and remembers it. `next` answers null where
 * nothing is to be written. Answers the partitions that are as wanted now.
 */
export function* updateLeadership(
  state: ControllerState,
  partitions: readonly PartitionContext[],
  next: (leadership: Leadership) => Leadership | null,
): Plan<ReadonlySet<PartitionContext>> {
  const done = new Set<PartitionContext>()
  let waiting = [...partitions]
  for (let round = 0; waiting.length > 0 && round < maxRounds; round++) {
    const changes: { partition: PartitionContext; leadership: Leadership }[] = []
    for (const partition of waiting) {
      if (partition.leadership === null) continue
      const leadership = next(partition.leadership)
      if (leadership === null) done.add(partition)
      else changes.push({ partition, leadership })
    }
    const outcomes = yield* write(changes.map(({ partition, leadership }) => stateUpdate(partition, leadership)))
    const conflicts: PartitionContext[] = []
    changes.forEach(({ partition, leadership }, index) => {
      if (outcomes[index] !== 'done') {
        conflicts.push(partition)
        return
      }
      partition.rememberLeadership(leadership)
      done.add(partition)
    })
    waiting = yield* rereadLeadership(state, conflicts)
  }
  return done
}
