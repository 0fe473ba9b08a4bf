import type { Random } from '@millrace/runtime/ports'
import { isCoordinationError, type Coordination } from '@millrace/zookeeper/coordination'
import { createRecursive, read } from './coordination.ts'
import { randomUuid } from './uuid.ts'
import { clusterIdZnode } from './znodes.ts'

/** The id of this cluster; the first broker to ask gives it one. */
export async function clusterId(coordination: Coordination, random: Random): Promise<string> {
  const path = clusterIdZnode.path()
  for (;;) {
    const known = await read(coordination, clusterIdZnode, path)
    if (known !== null) return known.value
    try {
      const id = randomUuid(random)
      await createRecursive(coordination, path, clusterIdZnode.encode(id))
      return id
    } catch (error) {
      // Another broker was first, or the answer was lost: read what is there.
      if (!isCoordinationError(error, 'NODE_EXISTS', 'UNKNOWN_OUTCOME')) throw error
    }
  }
}
