import type { Logger } from '@millrace/runtime/logger'
import type { Clock } from '@millrace/runtime/ports'
import { isCoordinationError, type Coordination } from '@millrace/zookeeper/coordination'
import { Depositions, type DeposedController } from '../core/controller/loss-hints.ts'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import { brokerZnode } from '../metadata/znodes.ts'
import { depose, prepareDeposition } from './deposition.ts'
import type { PeerProbes } from './peer-probes.ts'

export interface ControllerWatchOptions {
  readonly coordination: Coordination
  readonly metadata: Pick<MetadataCache, 'controllerId' | 'endpoint' | 'onChange'>
  readonly brokerId: number
  /** Where brokers reach the controller. */
  readonly listener: string
  readonly probes: PeerProbes
  readonly clock: Clock
  readonly logger: Logger
}

/** A broker's eye on the controller: when its loss is hinted, `/controller` is deleted and somebody else stands for election. */
export class ControllerWatch {
  readonly #options: ControllerWatchOptions
  #depositions: Depositions | null = null
  #watched: string | null = null
  #unwatch: (() => void) | null = null
  #isStopped = false

  constructor(options: ControllerWatchOptions) {
    this.#options = options
    options.metadata.onChange(() => this.#follow())
  }

  stop(): void {
    this.#isStopped = true
    this.#unwatch?.()
    this.#unwatch = null
  }

  #follow(): void {
    const { metadata, listener, brokerId, probes } = this.#options
    if (this.#isStopped) return
    const { controllerId } = metadata
    const endpoint = controllerId === brokerId ? undefined : metadata.endpoint(controllerId, listener)
    const name = endpoint === undefined ? null : `${controllerId} ${endpoint.host}:${endpoint.port}`
    if (name === this.#watched) return
    this.#watched = name
    this.#unwatch?.()
    this.#unwatch = null
    if (endpoint === undefined) return
    const onLossHinted = (): void => void this.#onLossHinted(controllerId)
    this.#unwatch = probes.watch(endpoint, { needsConnection: true, onLossHinted })
  }

  async #onLossHinted(suspectId: number): Promise<void> {
    const { logger } = this.#options
    try {
      await this.#depose(suspectId)
    } catch (error) {
      // Without ZooKeeper nobody is deposed, and nobody could be elected.
      const level = isCoordinationError(error) ? 'info' : 'error'
      logger[level]('controller could not be deposed', { suspectId, error })
    }
  }

  async #depose(suspectId: number): Promise<void> {
    const { coordination, clock, logger } = this.#options
    const { session } = coordination
    // A broker whose own session is in doubt may be the one that is cut off.
    if (this.#isStopped || session === null || !coordination.isConnected) return
    const deposition = await prepareDeposition(coordination, suspectId)
    if (deposition === null) return
    this.#depositions ??= new Depositions(session.timeoutMs)
    const { suspect } = deposition
    const last = this.#depositions.unproven
    if (last !== null && (await isDead(coordination, last))) this.#depositions.onProvenDead()
    const nowMs = clock.monotonicMs()
    if (this.#isStopped || coordination.session?.generation !== session.generation) return
    if (!this.#depositions.mayDepose(suspect, nowMs)) {
      logger.warn('controller seems lost: left to ZooKeeper, one was deposed a moment ago', { suspectId })
      return
    }
    if (!(await depose(coordination, deposition))) return
    if (this.#depositions.mayDepose(suspect, nowMs)) this.#depositions.onDeposed(suspect, nowMs)
    logger.warn('controller deposed: its process is gone', { suspectId, brokerEpoch: suspect.brokerEpoch })
  }
}

/**
 * Is the session over from which `/controller` was taken? Only a registration in another session shows it: a broker that lives,
 * and was fenced as well, has none for a moment, until it takes it again in the session it had.
 */
async function isDead(coordination: Coordination, { brokerId, sessionId }: DeposedController): Promise<boolean> {
  const registration = await coordination.exists(brokerZnode.path(brokerId))
  return registration !== null && registration.ephemeralOwner !== sessionId
}
