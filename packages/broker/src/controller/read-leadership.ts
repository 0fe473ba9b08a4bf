import type { Logger } from '@millrace/runtime/logger'
import { LeaderRecoveryState } from '../core/controller/leadership.ts'
import type { Leadership } from '../core/controller/leadership.ts'
import type { PartitionName } from '../core/controller/plan-step.ts'
import { MalformedZnode } from '../metadata/znode.ts'
import { partitionStateZnode, type PartitionStateValue } from '../metadata/znodes.ts'
import type { ControllerTerm } from './controller-term.ts'
import { inFlight } from './in-flight.ts'

/** What the state znodes say; null where there is none, or one that makes no sense (which is logged). */
export async function readLeadership(
  term: ControllerTerm,
  logger: Logger,
  partitions: readonly PartitionName[],
): Promise<(Leadership | null)[]> {
  const bundles: PartitionName[][] = []
  for (let from = 0; from < partitions.length; from += readTogether)
    bundles.push(partitions.slice(from, from + readTogether))
  const found = await inFlight(bundles, bundle => readBundle(term, logger, bundle), bundlesInFlight)
  return found.flat()
}

/** A read by itself costs ZooKeeper and this broker ten times as much; an answer of this many has 20 KB. */
const readTogether = 100
const bundlesInFlight = 8

async function readBundle(
  term: ControllerTerm,
  logger: Logger,
  partitions: readonly PartitionName[],
): Promise<(Leadership | null)[]> {
  const paths = partitions.map(({ topic, partition }) => partitionStateZnode.path(topic, partition))
  const znodes = await term.read(coordination => coordination.getMany(paths))
  return znodes.map((znode, index) => {
    if (znode === null) return null
    try {
      return leadershipOf(partitionStateZnode.decode(znode.data, paths[index]!), znode.stat.version)
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error
      const { topic, partition } = partitions[index]!
      logger.error('partition state cannot be read: the partition gets no leader', { topic, partition, error })
      return null
    }
  })
}

export const leadershipOf = (state: PartitionStateValue, partitionEpoch: number): Leadership => ({
  leader: state.leader,
  leaderEpoch: state.leaderEpoch,
  inSyncReplicas: state.inSyncReplicas,
  leaderRecoveryState: state.isRecovering ? LeaderRecoveryState.recovering : LeaderRecoveryState.recovered,
  controllerEpoch: state.controllerEpoch,
  partitionEpoch,
})

export const stateOf = (leadership: Leadership): PartitionStateValue => ({
  leader: leadership.leader,
  leaderEpoch: leadership.leaderEpoch,
  inSyncReplicas: leadership.inSyncReplicas,
  controllerEpoch: leadership.controllerEpoch,
  isRecovering: leadership.leaderRecoveryState === LeaderRecoveryState.recovering,
})
