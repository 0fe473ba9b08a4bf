import { CoordinationError, CreateMode } from './coordination.ts'
import type { Acl } from './coordination.ts'
import { validatePath, validateSequentialPath } from './path.ts'

/**
 * ZooKeeper drops the connection of a client that sends more than jute.maxbuffer (1,048,575 bytes by default), and every
 * request that waits on it fails too. A transaction grows on its way through the ensemble, hence the distance.
 */
export const maxRequestBytes = 900 * 1024

/** What any request has that can be checked before it is sent. */
export interface CheckedRequest {
  readonly path: string
  readonly mode?: CreateMode
  readonly data?: Uint8Array | null
  readonly acl?: readonly Acl[]
  readonly version?: number
}

/** Throws BAD_ARGUMENTS for what a server would answer by closing the connection: paths, versions, size in all. */
export function checkRequests(requests: readonly CheckedRequest[]): void {
  let size = 0
  for (const request of requests) {
    const { path, mode, version } = request
    if (mode !== undefined && isSequential(mode)) validateSequentialPath(path)
    else validatePath(path)
    if (version !== undefined && version !== (version | 0))
      throw badArguments(path, `version ${version} is not an int32`)
    size += sizeOf(request)
  }
  if (size <= maxRequestBytes) return
  const why = `a request of ${requests.length} operations and ${size} bytes is above the limit of ${maxRequestBytes}`
  throw badArguments(requests[0]!.path, why)
}

export function isSequential(mode: CreateMode): boolean {
  return mode === CreateMode.persistentSequential || mode === CreateMode.ephemeralSequential
}

export function isEphemeral(mode: CreateMode): boolean {
  return mode === CreateMode.ephemeral || mode === CreateMode.ephemeralSequential
}

function badArguments(path: string, why: string): CoordinationError {
  return new CoordinationError('BAD_ARGUMENTS', path, { message: `BAD_ARGUMENTS ${path}: ${why}` })
}

/** As on the wire: header of the operation, lengths, path, data, ACL. */
function sizeOf({ path, data, acl }: CheckedRequest): number {
  return 9 + 4 + Buffer.byteLength(path) + 8 + (data?.length ?? 0) + sizeOfAcl(acl ?? [])
}

function sizeOfAcl(acl: readonly Acl[]): number {
  return acl.reduce((size, entry) => size + 12 + Buffer.byteLength(entry.scheme) + Buffer.byteLength(entry.id), 4)
}
