import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as PlanAlterPartition from '@millrace/broker/core/controller/plan-alter-partition'
import type * as State from '@millrace/broker/core/controller/controller-state'
import type * as EpochCache from '@millrace/broker/core/log/leader-epoch-cache'
import type * as Acceptance from '@millrace/broker/core/partition/controller-request-acceptance'
import type * as Gap from '@millrace/broker/core/partition/event-loop-gap'
import type * as Position from '@millrace/broker/core/partition/fetch-position'
import type * as Progress from '@millrace/broker/core/partition/follower-progress'
import type * as EpochCheck from '@millrace/broker/core/partition/leader-epoch-check'
import type * as Right from '@millrace/broker/core/partition/leader-right'
import type * as Follower from '@millrace/broker/core/partition/partition-follower'
import type * as Leader from '@millrace/broker/core/partition/partition-leader'
import type * as ReadReplica from '@millrace/broker/core/partition/preferred-read-replica'

/** Everything under `broker/core` that the model and its checks run: the shipped files, or a copy of them with one fault. */
export type Machines = typeof PlanAlterPartition &
  typeof State &
  typeof EpochCache &
  typeof Acceptance &
  typeof Gap &
  typeof Position &
  typeof Progress &
  typeof EpochCheck &
  typeof Right &
  typeof Follower &
  typeof Leader &
  typeof ReadReplica

const files = [
  'controller/plan-alter-partition',
  'controller/controller-state',
  'log/leader-epoch-cache',
  'partition/controller-request-acceptance',
  'partition/event-loop-gap',
  'partition/fetch-position',
  'partition/follower-progress',
  'partition/leader-epoch-check',
  'partition/leader-right',
  'partition/partition-follower',
  'partition/partition-leader',
  'partition/preferred-read-replica',
]

/** Loads the machines from a `core` folder. */
export async function loadMachines(coreFolder: string): Promise<Machines> {
  const modules = await Promise.all(files.map(file => import(pathToFileURL(join(coreFolder, `${file}.ts`)).href)))
  return Object.assign({}, ...modules) as Machines
}
