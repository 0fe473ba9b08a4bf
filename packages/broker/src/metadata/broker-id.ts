import { AnyVersion, isCoordinationError, type Coordination } from '@millrace/zookeeper/coordination'
import { ensurePath } from './coordination.ts'
import { brokerSequenceZnode } from './znodes.ts'

/**
 * The next free broker id above `reservedMaxId`: the version that a write gives `/brokers/seqid` is a number that
 * nobody else gets. An answer that was lost costs one number.
 */
export async function generateBrokerId(coordination: Coordination, reservedMaxId: number): Promise<number> {
  const path = brokerSequenceZnode.path()
  for (;;) {
    try {
      const stat = await coordination.set(path, Buffer.alloc(0), AnyVersion)
      return reservedMaxId + stat.version
    } catch (error) {
      if (isCoordinationError(error, 'NO_NODE')) await ensurePath(coordination, path)
      else if (!isCoordinationError(error, 'UNKNOWN_OUTCOME')) throw error
    }
  }
}

/** A broker without an id, which may not take one from ZooKeeper either. */
export class NoBrokerId extends Error {
  override readonly name = 'NoBrokerId'
  constructor() {
    super('broker.id is not set, no data folder knows one, and broker.id.generation.enable is false')
  }
}

/**
 * The id of this broker: as configured, else as its data folders know it, else a new one. That configured and stored
 * ids agree has been checked before (meta-properties.ts).
 */
export async function resolveBrokerId(
  coordination: Coordination,
  options: {
    /** -1: not set. */
    readonly configured: number
    /** From meta.properties; null where there is none yet. */
    readonly stored: number | null
    readonly reservedMaxId: number
    readonly mayGenerate: boolean
  },
): Promise<number> {
  if (options.configured >= 0) return options.configured
  if (options.stored !== null) return options.stored
  if (!options.mayGenerate) throw new NoBrokerId()
  return generateBrokerId(coordination, options.reservedMaxId)
}
