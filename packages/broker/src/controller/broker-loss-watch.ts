import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import { isCoordinationError } from '@millrace/zookeeper/coordination'
import type { RegisteredBroker } from '../core/controller/controller-state.ts'
import { Fencing } from '../core/controller/loss-hints.ts'
import { brokerZnode } from '../metadata/znodes.ts'
import type { ControllerTerm } from './controller-term.ts'
import type { PeerProbes } from './peer-probes.ts'

export interface BrokerLossWatchOptions {
  readonly term: ControllerTerm
  readonly brokerId: number
  /** Listener that control requests go to. */
  readonly listener: string
  readonly probes: PeerProbes
  readonly sessionTimeoutMs: number
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** To be answered by a call of `fence`, in its turn. */
  readonly onLossHinted: (broker: RegisteredBroker) => void
  /** Elections outside of the ISR that were put off may take place now. */
  readonly onUncleanElectionDue: () => void
}

/** The controller's eye on the brokers, for one term: when the loss of one is hinted, its registration is deleted. */
export class BrokerLossWatch {
  readonly #options: BrokerLossWatchOptions
  readonly #fencing: Fencing
  readonly #watched = new Map<number, { readonly name: string; readonly unwatch: () => void }>()
  #brokers: ReadonlyMap<number, RegisteredBroker> = new Map()
  #isFirstRound = true
  #uncleanElections: Timer | null = null

  constructor(options: BrokerLossWatchOptions) {
    this.#options = options
    const { sessionTimeoutMs, clock } = options
    this.#fencing = new Fencing({ sessionTimeoutMs, electedMs: clock.monotonicMs() })
  }

  /** Keeps a connection open to each of `brokers`, and to nobody else. */
  follow(brokers: ReadonlyMap<number, RegisteredBroker>): void {
    this.#brokers = new Map(brokers)
    for (const [id, { name, unwatch }] of this.#watched) {
      const broker = brokers.get(id)
      if (broker !== undefined && this.#nameOf(broker) === name) continue
      unwatch()
      this.#watched.delete(id)
    }
    for (const broker of brokers.values()) this.#watch(broker)
    // Those that the first look at ZooKeeper found may have been dead for a while: nobody had to know them alive.
    this.#isFirstRound = false
  }

  /**
   * Deletes the registration of an incarnation that is hinted to be lost, if that is what is registered and nothing speaks
   * against it; the watch on `/brokers/ids` does the rest. Throws ControllerMoved.
   */
  async fence(suspect: RegisteredBroker): Promise<void> {
    const { term, clock, logger } = this.#options
    if (this.#brokers.get(suspect.id)?.epoch !== suspect.epoch) return
    const fields = { brokerId: suspect.id, brokerEpoch: suspect.epoch }
    const path = brokerZnode.path(suspect.id)
    const stat = await term.read(coordination => coordination.exists(path))
    if (stat === null || stat.czxid !== suspect.epoch) return
    await this.#forgetProven()
    const nowMs = clock.monotonicMs()
    if (!this.#fencing.mayFence(this.#brokers.keys(), nowMs)) {
      logger.warn('broker seems lost: left to ZooKeeper, enough were fenced a moment ago', fields)
      return
    }
    // Counted first: an answer that is lost may have been a yes.
    this.#fencing.onFenced({ brokerId: suspect.id, brokerEpoch: suspect.epoch, sessionId: stat.ephemeralOwner }, nowMs)
    try {
      await term.write([{ op: 'delete', path, version: stat.version }])
      logger.warn('broker fenced: its process is gone', fields)
    } catch (error) {
      if (!isCoordinationError(error, 'NO_NODE', 'BAD_VERSION', 'NOT_CONNECTED', 'UNKNOWN_OUTCOME')) throw error
      logger.info('broker was not fenced', { ...fields, reason: error.message })
    }
  }

  /** A broker that was fenced may live and lead: until ZooKeeper would have ended its session, only the ISR is asked. */
  mayElectUncleanly(): boolean {
    const { clock, timers, onUncleanElectionDue } = this.#options
    const inMs = this.#fencing.uncleanElectionInMs(clock.monotonicMs())
    if (inMs === 0) return true
    this.#uncleanElections ??= timers.after(inMs, () => {
      this.#uncleanElections = null
      onUncleanElectionDue()
    })
    return false
  }

  close(): void {
    this.#uncleanElections?.cancel()
    for (const { unwatch } of this.#watched.values()) unwatch()
    this.#watched.clear()
  }

  #watch(broker: RegisteredBroker): void {
    const { brokerId, listener, probes, onLossHinted } = this.#options
    if (broker.id === brokerId || this.#watched.has(broker.id)) return
    const address = broker.endpoints.find(one => one.listener === listener)
    if (address === undefined) return
    const unwatch = probes.watch(address, {
      needsConnection: !this.#isFirstRound,
      onLossHinted: () => onLossHinted(broker),
    })
    this.#watched.set(broker.id, { name: this.#nameOf(broker), unwatch })
  }

  /** One incarnation at one address. */
  #nameOf(broker: RegisteredBroker): string {
    const address = broker.endpoints.find(one => one.listener === this.#options.listener)
    return `${broker.epoch} ${address?.host}:${address?.port}`
  }

  /** Who was fenced and is registered in another session was dead indeed. */
  async #forgetProven(): Promise<void> {
    const { term, clock } = this.#options
    for (const broker of this.#fencing.recent(clock.monotonicMs())) {
      const stat = await term.read(coordination => coordination.exists(brokerZnode.path(broker.brokerId)))
      if (stat !== null && stat.ephemeralOwner !== broker.sessionId) this.#fencing.onProvenDead(broker)
    }
  }
}
