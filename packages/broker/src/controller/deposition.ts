import { AnyVersion, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Coordination } from '@millrace/zookeeper/coordination'
import type { DeposedController } from '../core/controller/loss-hints.ts'
import { read } from '../metadata/coordination.ts'
import { brokerZnode, controllerEpochZnode, controllerZnode } from '../metadata/znodes.ts'

/** Who is to be deposed, and the election that made it controller. */
export interface Deposition {
  readonly suspect: DeposedController
  /** Version of `/controller_epoch`, read before `/controller` was found to name the suspect. */
  readonly epochVersion: number
}

/**
 * Reads what `depose` needs; null when `suspectId` is not controller any more. The order is what makes it safe: an election
 * after the first read raises the version, so a deposition that was meant for the one before it is refused. The version of
 * `/controller` itself is 0 in each of its lives and tells nothing.
 */
export async function prepareDeposition(coordination: Coordination, suspectId: number): Promise<Deposition | null> {
  const epoch = await read(coordination, controllerEpochZnode, controllerEpochZnode.path())
  const controller = await read(coordination, controllerZnode, controllerZnode.path())
  if (epoch === null || controller === null || controller.value.brokerId !== suspectId) return null
  const registration = await coordination.exists(brokerZnode.path(suspectId))
  return {
    suspect: {
      brokerId: suspectId,
      brokerEpoch: registration?.czxid ?? -1,
      sessionId: controller.stat.ephemeralOwner,
    },
    epochVersion: epoch.stat.version,
  }
}

/** Deletes `/controller`: true when it was this deposition that did it, false when somebody was elected or deposed since. */
export async function depose(coordination: Coordination, deposition: Deposition): Promise<boolean> {
  try {
    await coordination.multi([
      { op: 'check', path: controllerEpochZnode.path(), version: deposition.epochVersion },
      { op: 'delete', path: controllerZnode.path(), version: AnyVersion },
    ])
    return true
  } catch (error) {
    if (isCoordinationError(error, 'BAD_VERSION', 'NO_NODE')) return false
    throw error
  }
}
