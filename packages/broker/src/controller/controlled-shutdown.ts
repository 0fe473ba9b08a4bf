import { ErrorCode } from '@millrace/protocol/errors'
import {
  controlledShutdownRequest,
  controlledShutdownResponse,
  type RemainingPartition,
} from '@millrace/protocol/messages/07-controlled-shutdown'
import type { Logger } from '@millrace/runtime/logger'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import { ControllerUnreachable, type ControllerClient } from './controller-client.ts'

export interface ControlledShutdownOptions {
  readonly client: Pick<ControllerClient, 'request'>
  readonly metadata: MetadataCache
  readonly brokerId: number
  readonly brokerEpoch: () => number
  readonly logger: Logger
  /** `controlled.shutdown.max.retries`: how often it asks. */
  readonly attempts: number
  /** `controlled.shutdown.retry.backoff.ms`. */
  readonly backoffMs: number
}

/**
 * Before a broker leaves it asks the controller to hand over what it leads, and to take it out of the ISRs that it is in:
 * clients then find the next leader while this one still answers. True: nothing that others could lead is led here any
 * more. Never throws; a broker that cannot hand over stops all the same, and the controller notices.
 */
export async function handOver(options: ControlledShutdownOptions): Promise<boolean> {
  const { metadata, brokerId, logger, attempts, backoffMs } = options
  for (let attempt = 1; attempt <= attempts; attempt++) {
    if (!sharesPartitions(metadata, brokerId)) return true
    const { controllerId } = metadata
    // Nobody is left to ask or to take over: waiting would help nobody.
    if (controllerId < 0 || isAlone(metadata, brokerId)) return false
    const remaining = await ask(options)
    if (remaining?.length === 0) return true
    if (remaining !== null && remaining.every(partition => isUnshared(metadata, brokerId, partition))) return false
    if (attempt === attempts) break
    logger.info('controlled shutdown is tried again', { attempt, remaining: remaining?.length ?? null })
    // Another controller is asked at once; and the last of a cluster that stops hears a moment later that the others are gone.
    await metadata.until(cache => cache.controllerId !== controllerId || isAlone(cache, brokerId), backoffMs)
  }
  logger.warn('controlled shutdown did not succeed: the broker stops as it is', { attempts })
  return false
}

const isAlone = (metadata: MetadataCache, brokerId: number): boolean =>
  metadata.aliveBrokers.every(({ id }) => id === brokerId)

/** What is still led here; null: no controller that answers. */
async function ask(options: ControlledShutdownOptions): Promise<readonly RemainingPartition[] | null> {
  const { client, brokerId, brokerEpoch, logger } = options
  try {
    const value = { brokerId, brokerEpoch: brokerEpoch() }
    const answer = await client.request(controlledShutdownRequest, controlledShutdownResponse, value)
    if (answer.errorCode === ErrorCode.NONE) return answer.remainingPartitions
    logger.info('controlled shutdown refused', { errorCode: answer.errorCode })
  } catch (error) {
    if (!(error instanceof ControllerUnreachable)) throw error
    logger.info('controlled shutdown: no answer', { reason: error.message })
  }
  return null
}

/** Does any partition have a replica here and another elsewhere? */
function sharesPartitions(metadata: MetadataCache, brokerId: number): boolean {
  for (const topic of metadata.topicNames()) {
    const isShared = metadata
      .partitions(topic)
      .some(({ replicas }) => replicas.length > 1 && replicas.includes(brokerId))
    if (isShared) return true
  }
  return false
}

function isUnshared(
  metadata: MetadataCache,
  brokerId: number,
  { topicName, partitionIndex }: RemainingPartition,
): boolean {
  const replicas = metadata.partition(topicName, partitionIndex)?.replicas ?? []
  return replicas.every(id => id === brokerId || !metadata.isAlive(id))
}
