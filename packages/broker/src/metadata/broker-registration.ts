import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timers } from '@millrace/runtime/ports'
import {
  AnyVersion,
  CoordinationError,
  isCoordinationError,
  type Acl,
  type Coordination,
  type Stat,
} from '@millrace/zookeeper/coordination'
import { endpointText } from '../settings/endpoint.ts'
import { childrenOf, read } from './coordination.ts'
import { MalformedZnode } from './znode.ts'
import { brokersZnode, brokerZnode, type BrokerRegistration } from './znodes.ts'

/** Another broker that is alive has this id. */
export class DuplicateBrokerId extends Error {
  override readonly name = 'DuplicateBrokerId'
  readonly brokerId: number
  /** What the other one registered; null when that could not be read. */
  readonly owner: BrokerRegistration | null
  constructor(brokerId: number, owner: BrokerRegistration | null, ownerSession: bigint) {
    const where = owner === null ? 'which has not said where it is' : owner.endpoints.map(endpointText).join(', ')
    const since = owner === null ? '' : `, registered at ${utcTime(owner.timestampMs)}`
    super(
      `broker ${brokerId} is already registered by another process: ${where}${since} (ZooKeeper session 0x${ownerSession.toString(16)}). Give this broker an id of its own`,
    )
    this.brokerId = brokerId
    this.owner = owner
  }
}

/** Another broker that is alive advertises the same address. */
export class EndpointInUse extends Error {
  override readonly name = 'EndpointInUse'
  readonly otherBrokerId: number
  constructor(endpoint: string, otherBrokerId: number) {
    super(`${endpoint} is advertised by broker ${otherBrokerId} already: correct advertised.listeners`)
    this.otherBrokerId = otherBrokerId
  }
}

/** What a broker says of itself; the time is added when it is written. */
export type Announcement = Omit<BrokerRegistration, 'timestampMs'>

export interface BrokerRegistrarOptions {
  readonly coordination: Coordination
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readonly brokerId: number
  readonly acl?: readonly Acl[]
  /**
   * How long `register` waits for the znode of a former incarnation (same id, same addresses) to go away with its
   * session; the session timeout and two seconds where not given.
   */
  readonly formerIncarnationMs?: number
  /** Whether the znode is watched: a controller that takes this broker for dead deletes it. Kafka's brokers never look. */
  readonly watchesItself?: boolean
}

/**
 * Keeps `/brokers/ids/<id>` true: the znode lives and dies with the session, so each new session registers again, and
 * each registration gives the broker a new epoch.
 */
export class BrokerRegistrar {
  readonly #options: BrokerRegistrarOptions
  readonly #formerSessions = new Set<bigint>()
  readonly #listeners = new Set<(brokerEpoch: number) => void | Promise<void>>()
  #registration: Announcement | null = null
  readonly #vanishedListeners = new Set<() => void>()
  #brokerEpoch = -1
  #registeredGeneration = 0
  /** The next event of the own znode will be told. */
  #isWatching = false
  /** One function, so that looking twice adds no second watcher. */
  readonly #onOwnZnode = (): void => void this.#watchItself()
  #running: Promise<void> | null = null
  #stopListening: (() => void) | null = null
  #isStopped = false

  constructor(options: BrokerRegistrarOptions) {
    this.#options = options
  }

  /** czxid of the registration; -1 before the first. Between two sessions still that of the former one. */
  get brokerEpoch(): number {
    return this.#brokerEpoch
  }

  /** Does ZooKeeper answer, in the session that holds our registration? */
  get isReachable(): boolean {
    const { coordination } = this.#options
    return coordination.isConnected && coordination.session?.generation === this.#registeredGeneration
  }

  /** Reads our znode: is it there, of our present epoch? Throws what coordination throws. */
  async confirm(): Promise<boolean> {
    const { coordination, brokerId } = this.#options
    const stat = await coordination.exists(brokerZnode.path(brokerId))
    return stat !== null && stat.czxid === this.#brokerEpoch
  }

  /** Called after each registration, the first one too, with the new epoch. */
  onRegistered(listener: (brokerEpoch: number) => void | Promise<void>): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Called when the znode was deleted while the session lives, before it is registered again with a new epoch: somebody
   * takes this broker for dead, and elects others in its place.
   */
  onVanished(listener: () => void): () => void {
    this.#vanishedListeners.add(listener)
    return () => this.#vanishedListeners.delete(listener)
  }

  /**
   * Registers, and from now on again after every expired session. Answers the broker epoch. Throws DuplicateBrokerId
   * and EndpointInUse, and what coordination throws.
   */
  async register(registration: Announcement): Promise<number> {
    this.#registration = registration
    await this.#registerUnderThisSession(registration)
    this.#stopListening = this.#options.coordination.onSessionEvent(event => {
      if (event.type === 'established' || event.type === 'resumed') this.#keepRegistered()
      if (event.type === 'resumed' && !this.#isWatching) void this.#watchItself()
    })
    return this.#brokerEpoch
  }

  /** Other endpoints, the same incarnation: the broker epoch stays. */
  async update(registration: Announcement): Promise<void> {
    this.#registration = registration
    const { coordination, brokerId } = this.#options
    await coordination.set(brokerZnode.path(brokerId), this.#encode(registration), AnyVersion)
  }

  /** Stops registering again; the znode goes with the session. */
  stop(): void {
    this.#isStopped = true
    this.#stopListening?.()
    this.#listeners.clear()
    this.#vanishedListeners.clear()
  }

  /** One attempt at a time; a session event that comes meanwhile is looked at when it ends. */
  #keepRegistered(): void {
    const { coordination, logger, brokerId, timers } = this.#options
    const generation = coordination.session?.generation ?? 0
    if (this.#isStopped || this.#running !== null || this.#registration === null) return
    if (generation === this.#registeredGeneration) return
    this.#running = this.#registerUnderThisSession(this.#registration)
      .then(() => {
        this.#running = null
        this.#keepRegistered()
      })
      .catch((error: unknown) => {
        this.#running = null
        logger.error('broker could not register again', { brokerId, error })
        timers.after(1000, () => this.#keepRegistered())
      })
  }

  async #registerUnderThisSession(registration: Announcement): Promise<void> {
    const { coordination, logger, brokerId } = this.#options
    const session = coordination.session
    if (session === null) throw new CoordinationError('NOT_CONNECTED')
    await this.#checkEndpoints(registration)
    this.#brokerEpoch = await this.#claim(registration)
    // A session that ended meanwhile took the znode along: the event of the next one registers again.
    this.#registeredGeneration = session.generation
    this.#formerSessions.add(session.id)
    logger.info('broker registered', { brokerId, brokerEpoch: this.#brokerEpoch, session: session.id.toString(16) })
    for (const listener of [...this.#listeners]) await listener(this.#brokerEpoch)
    await this.#watchItself()
  }

  /** Sets the watch, and acts on what is there. A lost connection only means to ask again when it is back. */
  async #watchItself(): Promise<void> {
    const { coordination, brokerId, watchesItself, logger } = this.#options
    const generation = this.#registeredGeneration
    if (watchesItself !== true || this.#isStopped || coordination.session?.generation !== generation) return
    try {
      this.#isWatching = true
      const stat = await coordination.exists(brokerZnode.path(brokerId), this.#onOwnZnode)
      if (stat?.czxid === this.#brokerEpoch) return
    } catch (error) {
      this.#isWatching = false
      if (!isCoordinationError(error, 'NOT_CONNECTED', 'UNKNOWN_OUTCOME', 'SESSION_EXPIRED', 'CLOSED'))
        logger.error('broker cannot watch its registration', { brokerId, error })
      return
    }
    // Not of a registration before this one: two looks may have been under way.
    if (this.#isStopped || this.#registeredGeneration !== generation) return
    if (coordination.session?.generation !== generation) return
    logger.warn('broker was taken for dead: it registers again', { brokerId, brokerEpoch: this.#brokerEpoch })
    this.#registeredGeneration = 0
    for (const listener of [...this.#vanishedListeners]) listener()
    this.#keepRegistered()
  }

  /** Two brokers at one address would get each other's requests. */
  async #checkEndpoints(registration: Announcement): Promise<void> {
    const { coordination, brokerId } = this.#options
    const address = (endpoint: { host: string; port: number }): string => `${endpoint.host}:${endpoint.port}`
    const own = new Map(registration.endpoints.map(endpoint => [address(endpoint), endpoint]))
    for (const name of await childrenOf(coordination, brokersZnode.path())) {
      if (name === String(brokerId)) continue
      const other = await read(coordination, brokerZnode, `${brokersZnode.path()}/${name}`)
      for (const endpoint of other?.value.endpoints ?? []) {
        const clash = own.get(address(endpoint))
        if (clash !== undefined) throw new EndpointInUse(endpointText(clash), Number(name))
      }
    }
  }

  async #claim(registration: Announcement): Promise<number> {
    const { coordination, brokerId, acl } = this.#options
    const path = brokerZnode.path(brokerId)
    const deadline = this.#options.clock.monotonicMs() + this.#patienceMs()
    for (;;) {
      try {
        // In two steps, as Kafka does it, so that a reader who sees no data knows a registration in the making.
        const results = await coordination.multi([
          { op: 'create', path, data: null, mode: 'ephemeral', ...(acl === undefined ? {} : { acl }) },
          { op: 'set', path, data: this.#encode(registration), version: 0 },
        ])
        const stat = results[1]?.stat
        return stat?.czxid ?? (await this.#statOf(path)).czxid
      } catch (error) {
        if (!isCoordinationError(error, 'NODE_EXISTS', 'UNKNOWN_OUTCOME')) throw error
        const mine = await this.#lookAtOwner(path, registration, deadline)
        if (mine !== null) return mine.czxid
      }
    }
  }

  /** The stat when the znode is this session's already; null to try again. */
  async #lookAtOwner(path: string, registration: Announcement, deadline: number): Promise<Stat | null> {
    const { coordination, brokerId, logger, clock } = this.#options
    const stat = await coordination.exists(path)
    if (stat === null) return null
    const owner = stat.ephemeralOwner
    // The answer to our own multi was lost.
    if (owner === coordination.session?.id) return stat
    // ZooKeeper may keep ephemeral znodes of a session that it has declared expired (ZOOKEEPER-2985).
    if (this.#formerSessions.has(owner)) {
      logger.warn('deleting the registration of an expired session', { brokerId, session: owner.toString(16) })
      await deleteIfThere(coordination, path, stat.version)
      return null
    }
    const other = await this.#registrationAt(path)
    if (other === 'gone') return null
    const isFormerSelf = other !== 'unreadable' && sameEndpoints(other, registration)
    const remainingMs = deadline - clock.monotonicMs()
    if (!isFormerSelf || remainingMs <= 0) {
      throw new DuplicateBrokerId(brokerId, other === 'unreadable' ? null : other, owner)
    }
    logger.info('waiting for the session of this broker’s former incarnation to end', { brokerId, remainingMs })
    await this.#untilChanged(path, remainingMs)
    return null
  }

  async #registrationAt(path: string): Promise<BrokerRegistration | 'gone' | 'unreadable'> {
    try {
      return (await read(this.#options.coordination, brokerZnode, path))?.value ?? 'gone'
    } catch (error) {
      if (error instanceof MalformedZnode) return 'unreadable'
      throw error
    }
  }

  #untilChanged(path: string, timeoutMs: number): Promise<void> {
    const { coordination, timers } = this.#options
    return new Promise((resolve, reject) => {
      const timer = timers.after(timeoutMs, resolve)
      coordination
        .exists(path, () => {
          timer.cancel()
          resolve()
        })
        .then(stat => {
          if (stat !== null) return
          timer.cancel()
          resolve()
        })
        .catch((error: unknown) => {
          timer.cancel()
          reject(error instanceof Error ? error : new Error(String(error)))
        })
    })
  }

  #patienceMs(): number {
    const { formerIncarnationMs, coordination } = this.#options
    return formerIncarnationMs ?? (coordination.session?.timeoutMs ?? 0) + 2000
  }

  async #statOf(path: string): Promise<Stat> {
    const stat = await this.#options.coordination.exists(path)
    if (stat === null) throw new CoordinationError('NO_NODE', path)
    return stat
  }

  #encode(registration: Announcement): Buffer {
    return brokerZnode.encode({ ...registration, timestampMs: this.#options.clock.wallMs() })
  }
}

async function deleteIfThere(coordination: Coordination, path: string, version: number): Promise<void> {
  try {
    await coordination.delete(path, version)
  } catch (error) {
    if (!isCoordinationError(error, 'NO_NODE', 'BAD_VERSION', 'UNKNOWN_OUTCOME')) throw error
  }
}

function sameEndpoints(a: Pick<BrokerRegistration, 'endpoints'>, b: Pick<BrokerRegistration, 'endpoints'>): boolean {
  const texts = (each: Pick<BrokerRegistration, 'endpoints'>): string => each.endpoints.map(endpointText).sort().join()
  return texts(a) === texts(b)
}

/** Made where it is used, in the message of a duplicate broker id: the first formatter of a process costs 5 ms and 4 MB. */
const utcTime = (wallMs: number): string => {
  const utc = new Intl.DateTimeFormat('sv-SE', { timeZone: 'UTC', dateStyle: 'short', timeStyle: 'medium' })
  return `${utc.format(wallMs)} UTC`
}
