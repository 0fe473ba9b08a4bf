import { CoordinationError } from './coordination.ts'
import type { Acl } from './coordination.ts'

/** What the size of a request depends on. */
export interface SizedRequest {
  readonly path: string
  readonly data?: Uint8Array | null
  readonly acl?: readonly Acl[]
}

/**
 * ZooKeeper drops the connection of a client that sends more than jute.maxbuffer (1,048,575 bytes by default), and every
 * request that waits on it fails too. A transaction grows on its way through the ensemble, hence the distance.
 */
export const maxRequestBytes = 900 * 1024

/** Throws BAD_ARGUMENTS when the operations together are above `maxRequestBytes`. */
export function checkRequestSize(operations: readonly SizedRequest[]): void {
  let size = 0
  for (const operation of operations) size += sizeOf(operation)
  if (size <= maxRequestBytes) return
  const path = operations[0]?.path
  throw new CoordinationError('BAD_ARGUMENTS', path, {
    message: `BAD_ARGUMENTS ${path}: a request of ${operations.length} operations and ${size} bytes is above the limit of ${maxRequestBytes}`,
  })
}

/** As on the wire: header of the operation, lengths, path, data, ACL. */
function sizeOf({ path, data, acl }: SizedRequest): number {
  return 9 + 4 + Buffer.byteLength(path) + 8 + (data?.length ?? 0) + sizeOfAcl(acl ?? [])
}

function sizeOfAcl(acl: readonly Acl[]): number {
  return acl.reduce((size, entry) => size + 12 + Buffer.byteLength(entry.scheme) + Buffer.byteLength(entry.id), 4)
}
