import { AnyVersion, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Operation } from '@millrace/zookeeper/coordination'
import { childrenOf } from '../metadata/coordination.ts'
import type { ControllerTerm } from './controller-term.ts'
import { inFlight } from './in-flight.ts'

/** Deletions per transaction: far below what a ZooKeeper packet holds (1 MiB). */
const batchSize = 500

/** Deletes a znode and all below it, children first, each transaction fenced. Interrupted, it may be begun again. */
export async function deleteTree(term: ControllerTerm, root: string): Promise<void> {
  for (;;) {
    const paths = await pathsBelow(term, root)
    if (paths.length === 0) return
    // Children come before their parent, also from one batch to the next.
    for (let start = 0; start < paths.length; start += batchSize) {
      const operations = paths
        .slice(start, start + batchSize)
        .map((path): Operation => ({ op: 'delete', path, version: AnyVersion }))
      try {
        await term.write(operations)
      } catch (error) {
        // Somebody made or deleted a znode there meanwhile, or the answer was lost: look again.
        if (isCoordinationError(error, 'NO_NODE', 'NOT_EMPTY', 'UNKNOWN_OUTCOME', 'NOT_CONNECTED')) break
        throw error
      }
    }
  }
}

/** The znode and its descendants, each after its children; nothing when it does not exist. */
async function pathsBelow(term: ControllerTerm, path: string): Promise<string[]> {
  const exists = await term.read(coordination => coordination.exists(path))
  if (exists === null) return []
  const children = exists.childCount === 0 ? [] : await term.read(coordination => childrenOf(coordination, path))
  const below = await inFlight(children, child => pathsBelow(term, `${path}/${child}`))
  return [...below.flat(), path]
}
