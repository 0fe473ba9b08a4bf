import type { Logger } from '@millrace/runtime/logger'
import { AnyVersion, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { ControllerEvent } from '../core/controller/event.ts'
import { childrenOf, read } from '../metadata/coordination.ts'
import { MalformedZnode } from '../metadata/znode.ts'
import { featureZnode, isrChangesZnode, logDirEventsZnode } from '../metadata/znodes.ts'
import type { ControllerTerm } from './controller-term.ts'
import { inFlight } from './in-flight.ts'
import type { TopicIdSource, Watches } from './watches.ts'

export interface TakeOverOptions {
  readonly term: ControllerTerm
  readonly watches: Watches
  readonly logger: Logger
  readonly topicIdFor: TopicIdSource
}

/**
 * What a newly elected controller does before it may decide anything (reference 2.2, steps 1 to 5): puts `/feature` in
 * order, throws away notifications that were meant for its predecessor (it reads everything anyway), and reads the whole
 * cluster with a watch on each part. Watches come with the reads: what changes afterwards is reported.
 */
export async function takeOver(options: TakeOverOptions): Promise<Extract<ControllerEvent, { event: 'elected' }>> {
  const { term, watches, topicIdFor } = options
  await enableFeatures(options)
  await clearNotifications(term, logDirEventsZnode.path())
  await clearNotifications(term, isrChangesZnode.path())
  await watches.logDirEvents()
  const brokers = await watches.brokers()
  const topics = await watches.topicsWithLeadership(await watches.topicNames(), topicIdFor)
  const deletions = await watches.deletions()
  const reassignments = await watches.reassignments()
  const elections = await watches.elections()
  return { event: 'elected', brokers, topics, deletions, reassignments, elections }
}

/** Brokers of Kafka wait for `/feature` when they start; its version is what ApiVersions calls the finalized features epoch. */
async function enableFeatures({ term, logger }: TakeOverOptions): Promise<void> {
  const path = featureZnode.path()
  const empty = featureZnode.encode({ isEnabled: true, maxVersionLevels: new Map() })
  for (;;) {
    const found = await readFeatures(term, logger)
    if (found === 'enabled') return
    try {
      if (found === null) await term.write([{ op: 'create', path, data: empty }])
      else await term.write([{ op: 'set', path, data: empty, version: found.version }])
      return
    } catch (error) {
      if (!isCoordinationError(error, 'NODE_EXISTS', 'NO_NODE', 'BAD_VERSION', 'NOT_CONNECTED', 'UNKNOWN_OUTCOME')) {
        throw error
      }
    }
  }
}

async function readFeatures(term: ControllerTerm, logger: Logger): Promise<'enabled' | { version: number } | null> {
  const path = featureZnode.path()
  try {
    const found = await term.read(coordination => read(coordination, featureZnode, path))
    if (found === null) return null
    return found.value.isEnabled ? 'enabled' : { version: found.stat.version }
  } catch (error) {
    if (!(error instanceof MalformedZnode)) throw error
    logger.warn('/feature cannot be read: it is written anew', { error })
    return { version: AnyVersion }
  }
}

async function clearNotifications(term: ControllerTerm, parent: string): Promise<void> {
  const names = await term.read(coordination => childrenOf(coordination, parent))
  await deleteZnodes(
    term,
    names.map(name => `${parent}/${name}`),
  )
}

/** Deletes znodes without children, side by side; those that are gone already are fine. */
export async function deleteZnodes(term: ControllerTerm, paths: readonly string[]): Promise<void> {
  await inFlight(paths, async path => {
    for (;;) {
      try {
        await term.write([{ op: 'delete', path, version: AnyVersion }])
        return
      } catch (error) {
        if (isCoordinationError(error, 'NO_NODE')) return
        if (!isCoordinationError(error, 'NOT_CONNECTED', 'UNKNOWN_OUTCOME')) throw error
      }
    }
  })
}
