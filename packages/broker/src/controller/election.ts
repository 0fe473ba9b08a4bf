import { CreateMode, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { ensurePath, read } from '../metadata/coordination.ts'
import { controllerEpochZnode, controllerZnode } from '../metadata/znodes.ts'
import { ControllerTerm } from './controller-term.ts'
import { whileConnected } from './while-connected.ts'

export interface Candidate {
  readonly coordination: Coordination
  readonly brokerId: number
  readonly nowMs: () => number
}

/**
 * Stands for election (reference 1.3): creates `/controller` and raises `/controller_epoch` in one transaction, so that no
 * two controllers share an epoch. Answers the term won, or null when somebody is controller already or won the race.
 * Rejects with SESSION_EXPIRED or CLOSED.
 */
export async function standForElection(candidate: Candidate): Promise<ControllerTerm | null> {
  const { coordination } = candidate
  const generation = coordination.session?.generation ?? 0
  return whileConnected(coordination, generation, () => attempt(candidate, generation))
}

async function attempt(candidate: Candidate, generation: number): Promise<ControllerTerm | null> {
  const { coordination, brokerId, nowMs } = candidate
  if ((await coordination.exists(controllerZnode.path())) !== null) {
    return await claimOwnElection(candidate, generation)
  }
  const last = await readEpoch(coordination)
  const controllerEpoch = last.epoch + 1
  const registration = { brokerId, timestampMs: nowMs(), kraftControllerEpoch: -1 }
  try {
    const [, epochSet] = await coordination.multi([
      {
        op: 'create',
        path: controllerZnode.path(),
        data: controllerZnode.encode(registration),
        mode: CreateMode.ephemeral,
      },
      {
        op: 'set',
        path: controllerEpochZnode.path(),
        data: controllerEpochZnode.encode(controllerEpoch),
        version: last.version,
      },
    ])
    const epochVersion = epochSet?.stat?.version ?? last.version + 1
    return new ControllerTerm({ coordination, fence: { epoch: controllerEpoch, epochVersion }, generation })
  } catch (error) {
    // The race may be lost to our own earlier attempt, whose answer was lost: `attempt` runs again and finds it.
    if (isCoordinationError(error, 'NODE_EXISTS', 'BAD_VERSION')) return await claimOwnElection(candidate, generation)
    throw error
  }
}

/**
 * `/controller` exists. It is ours when this very session created it: then the epoch next to it is ours too, because both
 * were written at once and nobody raises it while `/controller` exists.
 */
async function claimOwnElection(candidate: Candidate, generation: number): Promise<ControllerTerm | null> {
  const { coordination, brokerId } = candidate
  const current = await readController(coordination)
  if (current === null || current.brokerId !== brokerId) return null
  if (current.owner === 0n || current.owner !== coordination.session?.id) return null
  const { epoch, version } = await readEpoch(coordination)
  return new ControllerTerm({ coordination, fence: { epoch, epochVersion: version }, generation })
}

/** Who is controller, as `/controller` says. */
async function readController(
  coordination: Coordination,
): Promise<{ readonly brokerId: number; readonly owner: bigint } | null> {
  const found = await read(coordination, controllerZnode, controllerZnode.path())
  return found === null ? null : { brokerId: found.value.brokerId, owner: found.stat.ephemeralOwner }
}

async function readEpoch(coordination: Coordination): Promise<{ readonly epoch: number; readonly version: number }> {
  const path = controllerEpochZnode.path()
  for (;;) {
    const found = await read(coordination, controllerEpochZnode, path)
    if (found !== null) return { epoch: found.value, version: found.stat.version }
    await ensurePath(coordination, path, controllerEpochZnode.encode(0))
  }
}
