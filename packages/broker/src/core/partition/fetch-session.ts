import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import { GatheringMark } from './gathering.ts'

/** One partition as a Fetch request asks for it. `topic` is null when its id is not known here. */
export interface FetchPartition {
  topic: string | null
  readonly topicId: string
  readonly partition: number
  currentLeaderEpoch: number
  fetchOffset: number
  lastFetchedEpoch: number
  logStartOffset: number
  maxBytes: number
  /** Null: read it with each fetch. */
  readonly interest: FollowerInterest | null
}

/**
 * A follower's session of thousands of partitions reads only those that have news. Whoever reads one ties its `interest` to
 * the replica it found, and calls `onNews` for whatever may change the answer; without a tie it is read each time.
 */
export interface FollowerInterest {
  tie: { readonly source: unknown; end(): void } | null
  onNews(): void
}

/** The few facts of an answered partition that decide whether an incremental answer must carry it. */
export interface FetchedPartition {
  readonly errorCode: ErrorCode
  readonly highWatermark: number
  readonly logStartOffset: number
  readonly recordsSize: number
  /** -1: none. */
  readonly preferredReadReplica: number
  readonly isDiverging: boolean
  /** There is nothing more to tell before there are news. */
  readonly isServed: boolean
}

export interface FetchSessionRequest {
  readonly sessionId: number
  readonly sessionEpoch: number
  readonly partitions: readonly FetchPartition[]
  readonly forgotten: readonly ForgottenPartition[]
  /** Since v13 topics are named by id only. */
  readonly usesTopicIds: boolean
  /**
   * Which fetcher of which broker asks; null: a consumer. Followers are privileged: their sessions outlive those of consumers. Each fetcher has one
   * session: when it opens another, whatever was opened for it before is over, also where it never heard of that because its connection broke.
   */
  readonly follower: string | null
  readonly nowMs: number
}

export interface ForgottenPartition {
  readonly topic: string | null
  readonly topicId: string
  readonly partition: number
}

/** One fetch, between its request and its answer. */
export interface FetchContext {
  /** The session this request continues; 0: none yet, or none wanted. */
  readonly sessionId: number
  /** What to read. Of a follower's session: what has had news, and now and then all (`refreshMs`). */
  readonly partitions: readonly FetchPartition[]
  /** Whether `onNews` tells whatever a fetch of this session can wait for. */
  readonly tellsNews: boolean
  /** Of a follower's session; null: nothing is gathered for this one. */
  readonly gathered: GatheringMark | null
  /** Calls `listener` for news while this fetch waits; null: not any more. */
  onNews(listener: ((partition: FetchPartition) => void) | null): void
  /** Before it is read again: `partitions` now has what had news meanwhile, too. */
  refresh(): void
  /**
   * Tells the session what was found. `rows[i]` belongs to `partitions[i]`. Answers the id for the response (0: no session)
   * and which rows belong in it; `errorCode` means that a newer request took the session meanwhile.
   */
  complete(rows: readonly FetchedPartition[], nowMs: number): FetchOutcome
}

export interface FetchOutcome {
  readonly sessionId: number
  readonly errorCode: ErrorCode
  /** Null: all rows. */
  readonly included: readonly boolean[] | null
}

/** Epoch of a request that opens a session. */
export const INITIAL_EPOCH = 0
/** Epoch of a request that closes its session, or never wanted one. */
export const FINAL_EPOCH = -1
/** No session. */
export const NO_SESSION = 0

const MAX_EPOCH = 0x7fffffff

/**
 * Incremental fetch sessions (KIP-227): a client that follows many partitions names only the changed ones, and is told only of
 * the changed ones. Bounded by `slots`; who may push whom out is in `mayEvict`. Kafka splits its cache in eight shards for its
 * locks; one event loop needs none.
 */
export class FetchSessions {
  private readonly slots: number
  private readonly evictionMs: number
  private readonly randomUint32: () => number
  private readonly refreshMs: number
  private readonly sessions = new Map<number, FetchSession>()
  private readonly ofFollowers = new Map<string, FetchSession>()
  /** Full requests so far. */
  private opened = 0

  /** `refreshMs`: how old a follower's word of a partition without news may become, until it counts as heard again. */
  constructor(options: {
    readonly slots: number
    readonly evictionMs?: number
    readonly refreshMs?: number
    readonly randomUint32: () => number
  }) {
    this.slots = options.slots
    this.refreshMs = options.refreshMs ?? 250
    this.evictionMs = options.evictionMs ?? 120_000
    this.randomUint32 = options.randomUint32
  }

  get size(): number {
    return this.sessions.size
  }

  /** How many partitions all sessions hold together. */
  get partitionCount(): number {
    let count = 0
    for (const session of this.sessions.values()) count += session.size
    return count
  }

  /** The context to fetch in, or the top-level error to answer. */
  begin(request: FetchSessionRequest): FetchContext | ErrorCode {
    const { sessionId, sessionEpoch } = request
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      if (sessionId !== NO_SESSION) this.drop(sessionId)
      this.dropOf(request.follower)
      return sessionEpoch === FINAL_EPOCH ? sessionless(request) : this.full(request)
    }
    const session = this.sessions.get(sessionId)
    if (session === undefined) return ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    if (session.epoch !== sessionEpoch) return ErrorCode.INVALID_FETCH_SESSION_EPOCH
    if (session.usesTopicIds !== request.usesTopicIds) return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    session.update(request.partitions, request.forgotten)
    if (session.size === 0) {
      this.drop(sessionId)
      return sessionless(request)
    }
    session.lastUsedMs = request.nowMs
    session.epoch = nextEpoch(session.epoch)
    return this.incremental(session, request.nowMs)
  }

  private full(request: FetchSessionRequest): FetchContext {
    const order = ++this.opened
    return {
      ...sessionless(request),
      complete: (rows, nowMs) => {
        // A session of nothing would be dropped by its first use.
        if (request.partitions.length === 0) return { sessionId: NO_SESSION, errorCode: ErrorCode.NONE, included: null }
        const session = this.create(request, rows, nowMs, order)
        return { sessionId: session?.id ?? NO_SESSION, errorCode: ErrorCode.NONE, included: null }
      },
    }
  }

  private incremental(session: FetchSession, nowMs: number): FetchContext {
    const expectedEpoch = session.epoch
    const cached = session.isPrivileged ? session.takeDue(nowMs, this.refreshMs) : session.list()
    return {
      sessionId: session.id,
      partitions: cached,
      tellsNews: session.isPrivileged,
      gathered: session.isPrivileged ? session.gathered : null,
      onNews: listener => {
        session.listener = listener
      },
      refresh: () => session.takeNews(cached),
      complete: rows => {
        assert(rows.length === cached.length, 'every partition of the session was read')
        if (session.epoch !== expectedEpoch) {
          return { sessionId: session.id, errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH, included: null }
        }
        const included = rows.map((row, index) => {
          const partition = cached[index]
          assert(partition !== undefined, 'rows and partitions run side by side')
          const include = partition.mustRespond(row)
          // Those that gave data go to the end of the order, so that a small maxBytes starves nobody.
          if (include && row.recordsSize > 0) session.moveToEnd(partition)
          if (session.isPrivileged && (!row.isServed || partition.tie === null)) session.keepDue(partition)
          return include
        })
        return { sessionId: session.id, errorCode: ErrorCode.NONE, included }
      },
    }
  }

  private create(
    request: FetchSessionRequest,
    rows: readonly FetchedPartition[],
    nowMs: number,
    order: number,
  ): FetchSession | undefined {
    const { follower, usesTopicIds, partitions } = request
    // Its connection broke while this one waited, and it has opened another since.
    if (follower !== null && (this.ofFollowers.get(follower)?.order ?? 0) > order) return undefined
    this.dropOf(follower)
    if (this.sessions.size >= this.slots && !this.evictFor(follower !== null, partitions.length, nowMs))
      return undefined
    const session = new FetchSession({ id: this.newId(), follower, order, usesTopicIds, nowMs })
    partitions.forEach((partition, index) => session.add(partition, rows[index]))
    this.sessions.set(session.id, session)
    if (follower !== null) this.ofFollowers.set(follower, session)
    return session
  }

  /** First whoever was idle too long; else the least valuable that the newcomer outranks. */
  private evictFor(isPrivileged: boolean, size: number, nowMs: number): boolean {
    let idlest: FetchSession | undefined
    let cheapest: FetchSession | undefined
    for (const session of this.sessions.values()) {
      if (idlest === undefined || session.lastUsedMs < idlest.lastUsedMs) idlest = session
      if (!this.mayEvict(session, isPrivileged, nowMs)) continue
      if (cheapest === undefined || compareValue(session, cheapest) < 0) cheapest = session
    }
    if (idlest !== undefined && nowMs - idlest.lastUsedMs > this.evictionMs) return this.drop(idlest.id)
    if (cheapest === undefined || compareValue({ isPrivileged, size, id: 0 }, cheapest) < 0) return false
    return this.drop(cheapest.id)
  }

  private dropOf(follower: string | null): void {
    const session = follower === null ? undefined : this.ofFollowers.get(follower)
    if (session !== undefined) this.drop(session.id)
  }

  private drop(sessionId: number): boolean {
    const session = this.sessions.get(sessionId)
    if (session === undefined) return false
    session.end()
    const { follower } = session
    if (follower !== null && this.ofFollowers.get(follower) === session) this.ofFollowers.delete(follower)
    return this.sessions.delete(sessionId)
  }

  /** Everybody may push out a session that had its time; followers may push out any consumer's. */
  private mayEvict(session: FetchSession, byPrivileged: boolean, nowMs: number): boolean {
    return nowMs - session.createdMs > this.evictionMs || (byPrivileged && !session.isPrivileged)
  }

  private newId(): number {
    for (;;) {
      const id = this.randomUint32() & 0x7fffffff
      if (id !== NO_SESSION && !this.sessions.has(id)) return id
    }
  }
}

/** Epochs count 1, 2, … and wrap to 1: 0 and -1 mean something else. */
export function nextEpoch(epoch: number): number {
  if (epoch < 0) return FINAL_EPOCH
  return epoch === MAX_EPOCH ? 1 : epoch + 1
}

interface SessionValue {
  readonly isPrivileged: boolean
  readonly size: number
  readonly id: number
}

/** Bigger sessions save more; ids only make the order total. Privileged last. */
function compareValue(a: SessionValue, b: SessionValue): number {
  if (a.isPrivileged !== b.isPrivileged) return a.isPrivileged ? 1 : -1
  return a.size - b.size || a.id - b.id
}

function sessionless(request: FetchSessionRequest): FetchContext {
  return {
    sessionId: NO_SESSION,
    partitions: request.partitions,
    tellsNews: false,
    gathered: null,
    onNews: () => {},
    refresh: () => {},
    complete: () => ({ sessionId: NO_SESSION, errorCode: ErrorCode.NONE, included: null }),
  }
}

class FetchSession implements SessionValue {
  readonly id: number
  readonly follower: string | null
  /** Of the full request that opened it, among all. */
  readonly order: number
  readonly isPrivileged: boolean
  readonly usesTopicIds: boolean
  readonly createdMs: number
  lastUsedMs: number
  /** What the next request must carry. The first incremental one carries 1. */
  epoch = 1
  /** In the order to read: a Map keeps insertion order. */
  private readonly partitions = new Map<string, CachedPartition>()
  /** The one at the end of that order. */
  private last: CachedPartition | null = null
  /** Of a follower's session: what the next fetch reads. */
  private readonly due = new Set<CachedPartition>()
  private refreshedMs = -Infinity
  readonly gathered = new GatheringMark()
  /** The fetch that waits in this session. */
  listener: ((partition: FetchPartition) => void) | null = null

  constructor(options: { id: number; follower: string | null; order: number; usesTopicIds: boolean; nowMs: number }) {
    this.id = options.id
    this.follower = options.follower
    this.order = options.order
    this.isPrivileged = options.follower !== null
    this.usesTopicIds = options.usesTopicIds
    this.createdMs = options.nowMs
    this.lastUsedMs = options.nowMs
  }

  get size(): number {
    return this.partitions.size
  }

  list(): CachedPartition[] {
    return [...this.partitions.values()]
  }

  /** What has had news since it was read last; all of them when that was not done for `refreshMs`. */
  takeDue(nowMs: number, refreshMs: number): CachedPartition[] {
    const isRefresh = nowMs - this.refreshedMs >= refreshMs || nowMs < this.refreshedMs
    if (isRefresh) this.refreshedMs = nowMs
    const taken = [...(isRefresh ? this.partitions.values() : this.due)]
    this.due.clear()
    return taken
  }

  /** Adds what has had news since `taken` was taken. */
  takeNews(taken: CachedPartition[]): void {
    if (this.due.size === 0) return
    const known = new Set(taken)
    for (const partition of this.due) if (!known.has(partition)) taken.push(partition)
    this.due.clear()
  }

  keepDue(partition: CachedPartition): void {
    if (this.partitions.get(this.keyOf(partition)) === partition) this.due.add(partition)
  }

  /** Nobody tells it anything any more. */
  end(): void {
    for (const partition of this.partitions.values()) partition.end()
    this.due.clear()
    this.listener = null
  }

  add(partition: FetchPartition, row: FetchedPartition | undefined): void {
    const cached = new CachedPartition(partition, this.isPrivileged ? this : null)
    if (row !== undefined) cached.remember(row)
    this.partitions.set(this.keyOf(partition), cached)
    this.last = cached
    if (this.isPrivileged) this.due.add(cached)
  }

  onNews(partition: CachedPartition): void {
    this.due.add(partition)
    this.listener?.(partition)
  }

  update(partitions: readonly FetchPartition[], forgotten: readonly ForgottenPartition[]): void {
    for (const partition of partitions) {
      const cached = this.partitions.get(this.keyOf(partition))
      if (cached === undefined) this.add(partition, undefined)
      else {
        cached.update(partition)
        if (this.isPrivileged) this.due.add(cached)
      }
    }
    for (const partition of forgotten) this.forget(this.keyOf(partition))
  }

  private forget(key: string): void {
    const cached = this.partitions.get(key)
    if (cached === undefined) return
    cached.end()
    this.due.delete(cached)
    this.partitions.delete(key)
    if (this.last === cached) this.last = null
  }

  moveToEnd(partition: CachedPartition): void {
    // A busy follower's session often has one busy partition; to move it costs a new table every other time.
    if (this.last === partition) return
    this.last = partition
    const key = this.keyOf(partition)
    this.partitions.delete(key)
    this.partitions.set(key, partition)
  }

  private keyOf(partition: ForgottenPartition): string {
    return `${this.usesTopicIds ? partition.topicId : partition.topic}/${partition.partition}`
  }
}

/** What the client asked for last, and what it was told last. */
class CachedPartition implements FetchPartition, FollowerInterest {
  tie: FollowerInterest['tie'] = null
  /** Of a follower: told of news. */
  private readonly session: FetchSession | null
  topic: string | null
  readonly topicId: string
  readonly partition: number
  currentLeaderEpoch: number
  fetchOffset: number
  lastFetchedEpoch: number
  logStartOffset: number
  maxBytes: number
  private toldHighWatermark = -1
  private toldLogStartOffset = -1

  constructor(from: FetchPartition, session: FetchSession | null) {
    this.session = session
    this.topic = from.topic
    this.topicId = from.topicId
    this.partition = from.partition
    this.currentLeaderEpoch = from.currentLeaderEpoch
    this.fetchOffset = from.fetchOffset
    this.lastFetchedEpoch = from.lastFetchedEpoch
    this.logStartOffset = from.logStartOffset
    this.maxBytes = from.maxBytes
  }

  get interest(): FollowerInterest | null {
    return this.session === null ? null : this
  }

  onNews(): void {
    this.session?.onNews(this)
  }

  end(): void {
    this.tie?.end()
    this.tie = null
  }

  update(from: FetchPartition): void {
    if (from.topic !== null) this.topic = from.topic
    this.currentLeaderEpoch = from.currentLeaderEpoch
    this.fetchOffset = from.fetchOffset
    this.lastFetchedEpoch = from.lastFetchedEpoch
    this.logStartOffset = from.logStartOffset
    this.maxBytes = from.maxBytes
  }

  remember(row: FetchedPartition): void {
    // After an error the client must hear of the recovery, even when nothing else has changed.
    this.toldHighWatermark = row.errorCode === ErrorCode.NONE ? row.highWatermark : -1
    this.toldLogStartOffset = row.logStartOffset
  }

  mustRespond(row: FetchedPartition): boolean {
    const hasNews =
      row.recordsSize > 0 ||
      row.highWatermark !== this.toldHighWatermark ||
      row.logStartOffset !== this.toldLogStartOffset ||
      row.preferredReadReplica >= 0 ||
      row.errorCode !== ErrorCode.NONE ||
      row.isDiverging
    this.remember(row)
    return hasNews
  }
}
