import type { BorrowedAnswer, Connection } from '@millrace/client/connection/connection'
import type { OpenConnection } from '@millrace/client/connection/connector'
import { errorName } from '@millrace/protocol/errors'
import {
  fetchRequest,
  fetchResponse,
  type FetchRequest,
  type FetchResponse,
} from '@millrace/protocol/messages/01-fetch'
import { InvariantViolation } from '@millrace/runtime/invariant'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import type { BrokerEndpoint } from '../metadata/metadata-cache.ts'
import { FollowerSession } from './follower-session.ts'
import type { FollowedPartition } from './followed-partition.ts'
import { askLeaderOffsets, LeaderOffset } from './leader-offsets.ts'
import type { ReplicationThrottle } from './replication-throttle.ts'

/** `replica.*` settings of a follower. */
export interface FollowerSettings {
  /** `replica.fetch.max.bytes`: for each partition. */
  readonly partitionMaxBytes: number
  /** `replica.fetch.response.max.bytes` */
  readonly responseMaxBytes: number
  /** `replica.fetch.min.bytes` */
  readonly minBytes: number
  /** `replica.fetch.wait.max.ms`: how long the leader may hold a fetch that finds nothing. */
  readonly maxWaitMs: number
  /** `replica.fetch.backoff.ms` */
  readonly backoffMs: number
  /** `replica.socket.timeout.ms` */
  readonly requestTimeoutMs: number
}

export interface ReplicaFetcherOptions {
  readonly brokerId: number
  /** Ours, of this moment: the leader refuses those of a former life (KIP-903). */
  readonly brokerEpoch: () => number
  readonly leaderId: number
  readonly fetcherId: number
  /** Where the leader is now; undefined: it is not known to be alive. */
  readonly endpoint: () => BrokerEndpoint | undefined
  readonly settings: FollowerSettings
  readonly ports: { readonly clock: Clock; readonly timers: Timers }
  readonly open: OpenConnection
  readonly logger: Logger
  /** A promise of the code was broken. */
  readonly onFatal: (error: Error) => void
  /** `follower.replication.throttled.*`: those that must wait are left out of fetches for a short while. */
  readonly throttle: Pick<ReplicationThrottle, 'holds' | 'note'>
}

/**
 * A fetch that waits at the leader knows nothing of partitions that were added meanwhile: so long it may go on waiting, then it
 * is given up for one that asks for all. Kafka's followers wait for its answer, up to `replica.fetch.wait.max.ms`.
 */
const graceForAddedMs = 5
/** Not more often than this, so that adding many topics one by one does not keep the fetcher from fetching. */
const leastBetweenRestartsMs = 100
/**
 * Where a fetch was interrupted, more partitions are added soon: for so long fetches wait at the leader so briefly that there is nothing to interrupt. Each
 * interruption costs a fetch of everything, in a new session.
 */
const restlessMs = 1_000
const restlessWaitMs = 20
/** How long partitions that may not fetch now wait before they are asked again. */
const throttledMs = 50
/** A partition's limit does not stop a batch that is larger, and the answer has a head. */
const answerOverheadBytes = 100 * 1024 * 1024

/**
 * One connection to one leader, over which all partitions that this broker follows there (or the share of one fetcher) are
 * fetched together, one request after the other: each begins when what the last one brought is written. It ends with `close`.
 */
export class ReplicaFetcher {
  private readonly options: ReplicaFetcherOptions
  private readonly logger: Logger
  private readonly session: FollowerSession<FollowedPartition>
  /** All; those that wait for something are not in the session. */
  private readonly partitions = new Set<FollowedPartition>()
  private readonly delayed = new Set<FollowedPartition>()
  /** Those that may have to wait for bandwidth. */
  private readonly behind = new Set<FollowedPartition>()
  private readonly asking = new Map<FollowedPartition, LeaderOffset>()
  private connection: Connection | null = null
  private readonly abort = new AbortController()
  private isClosed = false
  private running: Promise<void> = Promise.resolve()
  private wake: (() => void) | null = null
  private pauseTimer: Timer | null = null
  private interruption: Timer | null = null
  private isFetching = false
  private lastAddedMs = -Infinity
  /** Of the fetch that is under way. */
  private waitMs = 0
  private wasInterrupted = false
  private lastInterruptedMs = -Infinity
  private wasReachable = true

  constructor(options: ReplicaFetcherOptions) {
    this.options = options
    this.logger = options.logger
    this.session = new FollowerSession(options.settings.partitionMaxBytes)
  }

  get size(): number {
    return this.partitions.size
  }

  /** For tests and metrics: those that wait after an error. */
  get delayedCount(): number {
    return this.delayed.size
  }

  /** Begins with the end of this turn, so that the first fetch asks for all that this turn adds. */
  start(): void {
    this.running = this.untilEndOfTurn()
      .then(() => this.run())
      .catch((error: unknown) => this.options.onFatal(error as Error))
  }

  add(partition: FollowedPartition): void {
    this.partitions.add(partition)
    this.goOn(partition)
    if (this.isFetching || this.isRestless) this.lastAddedMs = this.options.ports.clock.monotonicMs()
    if (!this.isFetching) this.wake?.()
    else if (this.waitMs > restlessWaitMs) this.interruptSoon()
  }

  /** Whatever comes for it from now on is ignored. */
  remove(partition: FollowedPartition): void {
    this.partitions.delete(partition)
    this.delayed.delete(partition)
    this.asking.delete(partition)
    this.behind.delete(partition)
    this.session.forget(partition)
  }

  async close(): Promise<void> {
    this.isClosed = true
    this.abort.abort()
    this.pauseTimer?.cancel()
    this.interruption?.cancel()
    this.wake?.()
    await this.disconnect()
    await this.running
  }

  private async run(): Promise<void> {
    while (!this.isClosed) {
      this.takeUpDelayed()
      if (this.asking.size > 0) await this.ask()
      else if (this.session.size === 0) await this.pause(this.untilDelayedMs())
      else await this.fetchOnce()
    }
    await this.disconnect()
  }

  /** A thousand times a second where records come one by one: as few promises as it takes. */
  private async fetchOnce(): Promise<void> {
    let answer: BorrowedAnswer<FetchResponse>
    try {
      answer = await this.fetch(this.openConnection ?? (await this.connect()))
    } catch (error) {
      this.onFetchEnded()
      this.onUnreachable(error)
      return
    }
    this.onFetchEnded()
    let changed = noPartitions
    try {
      if (!this.isClosed) changed = this.take(answer.value)
    } finally {
      answer.release()
    }
    // The next fetch says how far we are, and what is not in the file yet may be lost: the leader must not count it. Logs are written at the end of
    // the turn, or of a later one when there is much.
    do await this.untilEndOfTurn()
    while (!this.isClosed && this.isWriting(changed))
    for (const partition of changed) this.goOn(partition)
  }

  private fetch(connection: Connection): Promise<BorrowedAnswer<FetchResponse>> {
    const { requestTimeoutMs, maxWaitMs } = this.options.settings
    const value = this.request()
    this.isFetching = true
    const options = { version: this.session.apiVersion, timeoutMs: requestTimeoutMs + maxWaitMs }
    return connection.requestBorrowed(fetchRequest, fetchResponse, value, options)
  }

  private onFetchEnded(): void {
    this.isFetching = false
    this.interruption?.cancel()
    this.interruption = null
  }

  private isWriting(partitions: readonly FollowedPartition[]): boolean {
    for (const partition of partitions) if (this.partitions.has(partition) && partition.isWriting) return true
    return false
  }

  private request(): FetchRequest {
    const { brokerId, settings } = this.options
    const fields = this.session.request()
    const saysEpoch = this.session.apiVersion >= 15
    const replicaEpoch = this.options.brokerEpoch()
    const longestMs = this.isRestless ? Math.min(restlessWaitMs, settings.maxWaitMs) : settings.maxWaitMs
    // Those that wait after an error have their turn in time.
    const untilDelayedMs = this.untilDelayedMs()
    this.waitMs = untilDelayedMs === null ? longestMs : Math.min(longestMs, Math.ceil(untilDelayedMs))
    return {
      clusterId: null,
      replicaId: saysEpoch ? -1 : brokerId,
      replicaState: saysEpoch ? { replicaId: brokerId, replicaEpoch } : noReplicaState,
      maxWaitMs: this.waitMs,
      minBytes: settings.minBytes,
      maxBytes: settings.responseMaxBytes,
      isolationLevel: 0,
      sessionId: fields.sessionId,
      sessionEpoch: fields.sessionEpoch,
      topics: fields.topics,
      forgottenTopicsData: fields.forgottenTopicsData,
      rackId: '',
    }
  }

  /** Those that the answer speaks of. */
  private take(response: FetchResponse): FollowedPartition[] {
    if (!this.session.accept(response.errorCode, response.sessionId)) {
      this.logger.debug('fetch session begins anew', { ...this.names(), error: errorName(response.errorCode) })
      return noPartitions
    }
    let changed = noPartitions
    const nowMs = this.options.ports.clock.monotonicMs()
    for (const { topic, topicId, partitions } of response.responses) {
      for (const row of partitions) {
        const partition = this.session.takerOf(topic, topicId, row.partitionIndex)
        if (partition === undefined) continue
        this.guarded(partition, () => partition.take(row, nowMs))
        this.options.throttle.note(partition.replica, row.records?.length ?? 0)
        if (changed === noPartitions) changed = [partition]
        else changed.push(partition)
      }
    }
    return changed
  }

  /** What is next for this partition, after whatever has changed it. Its log is written. */
  private goOn(partition: FollowedPartition): void {
    // It may have got another role, and its log another owner, while we waited.
    if (!this.partitions.has(partition)) return
    const nowMs = this.options.ports.clock.monotonicMs()
    const step = this.guarded(partition, () => partition.proceed(nowMs)) ?? 'failed'
    if (step === 'failed') return this.remove(partition)
    this.delayed.delete(partition)
    this.asking.delete(partition)
    if (step === 'fetch-anew' || (step === 'fetch' && !this.session.has(partition))) this.session.want(partition)
    if (!partition.isCaughtUp) this.behind.add(partition)
    if (step === 'fetch' || step === 'fetch-anew') return
    this.session.forget(partition)
    if (step === 'wait') this.delayed.add(partition)
    else this.asking.set(partition, step === 'ask-end' ? LeaderOffset.end : LeaderOffset.start)
  }

  /** Its log may not be able to go on from here; the others are. */
  private guarded<T>(partition: FollowedPartition, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (error instanceof InvariantViolation) throw error
      this.logger.error('partition cannot be followed', { ...partition.names(), error })
      this.remove(partition)
      return undefined
    }
  }

  /** Where do the leader's logs begin and end, that our offsets are out of range? */
  private async ask(): Promise<void> {
    const { brokerId } = this.options
    const [, which] = this.asking.entries().next().value as [FollowedPartition, LeaderOffset]
    const partitions = [...this.asking].filter(([, each]) => each === which).map(([partition]) => partition)
    try {
      const connection = this.openConnection ?? (await this.connect())
      const answers = await askLeaderOffsets(connection, brokerId, partitions, which)
      const nowMs = this.options.ports.clock.monotonicMs()
      for (const { partition, ...answer } of answers) {
        partition.onLeaderOffset(answer, nowMs)
        this.goOn(partition)
      }
    } catch (error) {
      this.onUnreachable(error)
    }
  }

  private onUnreachable(error: unknown): void {
    if (error instanceof InvariantViolation) throw error
    this.session.restart()
    if (this.isClosed) return
    if (this.wasInterrupted) {
      this.wasInterrupted = false
      return
    }
    const fields = { ...this.names(), partitions: this.partitions.size, error: String(error) }
    if (this.wasReachable) this.logger.warn('leader cannot be reached, its partitions wait', fields)
    else this.logger.debug('leader still cannot be reached', fields)
    this.wasReachable = false
    void this.disconnect()
    const nowMs = this.options.ports.clock.monotonicMs()
    for (const partition of this.partitions) {
      partition.delay(nowMs)
      this.goOn(partition)
    }
  }

  private takeUpDelayed(): void {
    if (this.delayed.size === 0 && this.behind.size === 0) return
    const nowMs = this.options.ports.clock.monotonicMs()
    for (const partition of this.delayed) if (partition.delayedUntilMs <= nowMs) this.goOn(partition)
    for (const partition of this.behind) {
      if (partition.isCaughtUp) this.behind.delete(partition)
      if (partition.isCaughtUp || !this.session.has(partition) || !this.options.throttle.holds(partition.replica))
        continue
      partition.delayedUntilMs = nowMs + throttledMs
      this.session.forget(partition)
      this.delayed.add(partition)
    }
  }

  /** Null: nobody waits for time to pass. */
  private untilDelayedMs(): number | null {
    if (this.delayed.size === 0) return null
    let firstMs = Infinity
    for (const { delayedUntilMs } of this.delayed) firstMs = Math.min(firstMs, delayedUntilMs)
    return Math.max(1, firstMs - this.options.ports.clock.monotonicMs())
  }

  /** Until a partition is added, or so long. */
  private pause(pauseMs: number | null): Promise<void> {
    return new Promise(resolve => {
      const goOn = (): void => {
        this.wake = null
        this.pauseTimer?.cancel()
        this.pauseTimer = null
        resolve()
      }
      this.wake = goOn
      if (pauseMs !== null) this.pauseTimer = this.options.ports.timers.after(pauseMs, goOn)
    })
  }

  private untilEndOfTurn(): Promise<void> {
    return new Promise(resolve => this.options.ports.timers.soon(resolve))
  }

  private get isRestless(): boolean {
    return this.options.ports.clock.monotonicMs() - this.lastAddedMs < restlessMs
  }

  private interruptSoon(): void {
    if (this.interruption !== null) return
    const { clock, timers } = this.options.ports
    const earliestMs = this.lastInterruptedMs + leastBetweenRestartsMs - clock.monotonicMs()
    this.interruption = timers.after(Math.max(graceForAddedMs, earliestMs), () => {
      this.interruption = null
      if (!this.isFetching) return
      this.lastInterruptedMs = clock.monotonicMs()
      this.wasInterrupted = true
      void this.disconnect()
    })
  }

  private get openConnection(): Connection | null {
    return this.connection === null || this.connection.isClosed ? null : this.connection
  }

  private async connect(): Promise<Connection> {
    const { brokerId, fetcherId, settings, open } = this.options
    const endpoint = this.options.endpoint()
    if (endpoint === undefined) throw new LeaderNotKnown(this.options.leaderId)
    const { host, port } = endpoint
    // A new connection knows nothing of a request that the old one may have carried.
    this.session.restart()
    const connection = await open(
      {
        ...{ host, port, clientId: `broker-${brokerId}-fetcher-${fetcherId}` },
        // Brokers of one cluster speak what `inter.broker.protocol.version` says: nobody asks (reference 7.2).
        versions: 'fixed',
        requestTimeoutMs: settings.requestTimeoutMs,
        maxFrameBytes: settings.responseMaxBytes + answerOverheadBytes,
        inFlightMax: 1,
      },
      this.abort.signal,
    )
    this.connection = connection
    if (!this.wasReachable) this.logger.info('leader is reached again', this.names())
    this.wasReachable = true
    return connection
  }

  private async disconnect(): Promise<void> {
    const { connection } = this
    this.connection = null
    await connection?.close()
  }

  private names(): { leader: number; fetcher: number } {
    return { leader: this.options.leaderId, fetcher: this.options.fetcherId }
  }
}

const noPartitions: FollowedPartition[] = []
const noReplicaState = { replicaId: -1, replicaEpoch: -1 }

class LeaderNotKnown extends Error {
  override readonly name = 'LeaderNotKnown'
  constructor(leaderId: number) {
    super(`broker ${leaderId} is not known to be alive`)
  }
}
