import { buildBatch } from './batch-builder.ts'
import { int16At, int32At, putInt16, putInt32 } from './big-endian.ts'

/** Types of control records that ZooKeeper-mode brokers write (KIP-98). Readers skip others. */
export const ControlType = { Abort: 0, Commit: 1 } as const
export type ControlType = (typeof ControlType)[keyof typeof ControlType]

/** What the key of a control record says. */
export interface ControlKey {
  readonly version: number
  /** Null for a type unknown here: such a record is to be skipped, not refused. */
  readonly type: ControlType | null
}

/** The key of a control record: [version, int16][type, int16] and whatever a later version adds. Null when it is none. */
export function parseControlKey(key: Uint8Array | null): ControlKey | null {
  if (key === null || key.length < 4) return null
  const version = int16At(key, 0)
  if (version < 0) return null
  const type = int16At(key, 2)
  return { version, type: type === ControlType.Abort || type === ControlType.Commit ? type : null }
}

/** The coordinator epoch of an end-transaction marker: [version, int16][coordinatorEpoch, int32] and what later versions add. Null when it is none. */
export function parseCoordinatorEpoch(value: Uint8Array | null): number | null {
  if (value === null || value.length < 6 || int16At(value, 0) < 0) return null
  return int32At(value, 2)
}

export interface EndTransactionMarker {
  readonly type: ControlType
  readonly coordinatorEpoch: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly timestamp: number
  /** Default 0: the log assigns it. */
  readonly baseOffset?: number
  readonly partitionLeaderEpoch?: number
}

/** The batch that ends a transaction in a partition: one control record, transactional, without sequence, never compressed. */
export function buildEndTransactionMarker(marker: EndTransactionMarker): Buffer {
  const key = Buffer.alloc(4)
  putInt16(key, 2, marker.type)
  const value = Buffer.alloc(6)
  putInt32(value, 2, marker.coordinatorEpoch)
  return buildBatch([{ timestamp: marker.timestamp, key, value }], {
    baseOffset: marker.baseOffset ?? 0,
    partitionLeaderEpoch: marker.partitionLeaderEpoch ?? -1,
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    isTransactional: true,
    isControl: true,
  })
}
