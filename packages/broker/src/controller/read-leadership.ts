import type { Logger } from '@millrace/runtime/logger'
import { LeaderRecoveryState } from '../core/controller/leadership.ts'
import type { Leadership } from '../core/controller/leadership.ts'
import type { PartitionName } from '../core/controller/plan-step.ts'
import { read } from '../metadata/coordination.ts'
import { MalformedZnode } from '../metadata/znode.ts'
import { partitionStateZnode, type PartitionStateValue } from '../metadata/znodes.ts'
import type { ControllerTerm } from './controller-term.ts'
import { inFlight } from './in-flight.ts'

/** What the state znodes say; null where there is none, or one that makes no sense (which is logged). */
export function readLeadership(
  term: ControllerTerm,
  logger: Logger,
  partitions: readonly PartitionName[],
): Promise<(Leadership | null)[]> {
  return inFlight(partitions, async ({ topic, partition }) => {
    const path = partitionStateZnode.path(topic, partition)
    try {
      const found = await term.read(coordination => read(coordination, partitionStateZnode, path))
      return found === null ? null : leadershipOf(found.value, found.stat.version)
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error
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
