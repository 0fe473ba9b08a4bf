import type { FaultNeed, FaultRow } from '../fault.ts'
import { cuts } from './cuts.ts'
import { disks } from './disks.ts'
import { kills } from './kills.ts'
import { moves } from './moves.ts'
import { pauses } from './pauses.ts'
import { zookeepers } from './zookeepers.ts'

/** Everything that a run may do to a cluster. */
export const faults: Readonly<Record<string, FaultRow>> = {
  ...kills,
  ...pauses,
  ...zookeepers,
  ...moves,
  ...cuts,
  ...disks,
}

/** Those that can be had here. */
export function availableFaults(have: ReadonlySet<FaultNeed>): string[] {
  return Object.entries(faults)
    .filter(([, { needs }]) => needs === undefined || have.has(needs))
    .map(([kind]) => kind)
}
