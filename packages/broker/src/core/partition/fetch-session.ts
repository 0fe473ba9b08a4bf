import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import { Bag } from './bag.ts'
import { CachedPartition } from './cached-partition.ts'
import type { FetchedPartition, FetchPartition } from './fetch-partition.ts'
import { GatheringMark } from './gathering.ts'
import { ReadOrder } from './read-order.ts'

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
  /** Tells `listener` of news while this fetch waits; null: not any more. */
  listen(listener: NewsListener | null): void
  /** Before it is read again: `partitions` now has what had news meanwhile, too. */
  refresh(): void
  /**
   * Tells the session what was found. `rows[i]` belongs to `partitions[i]`. Answers the id for the response (0: no session)
   * and which rows belong in it; `errorCode` means that a newer request took the session meanwhile.
   */
  complete(rows: readonly FetchedPartition[], nowMs: number): FetchOutcome
}

/** A fetch that waits. */
export interface NewsListener {
  onNews(partition: FetchPartition): void
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
    return new IncrementalFetch(session, request.nowMs, this.refreshMs)
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
    listen: () => {},
    refresh: () => {},
    complete: () => ({ sessionId: NO_SESSION, errorCode: ErrorCode.NONE, included: null }),
  }
}

/** One fetch of a session that is known already: the usual case, a thousand times a second. */
class IncrementalFetch implements FetchContext {
  readonly sessionId: number
  readonly partitions: CachedPartition[]
  readonly tellsNews: boolean
  readonly gathered: GatheringMark | null
  private readonly session: FetchSession
  private readonly expectedEpoch: number

  constructor(session: FetchSession, nowMs: number, refreshMs: number) {
    this.session = session
    this.sessionId = session.id
    this.expectedEpoch = session.epoch
    this.partitions = session.isPrivileged ? session.takeDue(nowMs, refreshMs) : session.list()
    this.tellsNews = session.isPrivileged
    this.gathered = session.isPrivileged ? session.gathered : null
  }

  listen(listener: NewsListener | null): void {
    this.session.listener = listener
  }

  refresh(): void {
    this.session.takeNews(this.partitions)
  }

  complete(rows: readonly FetchedPartition[]): FetchOutcome {
    const { session, sessionId, partitions } = this
    assert(rows.length === partitions.length, 'every partition of the session was read')
    if (session.epoch !== this.expectedEpoch) {
      return { sessionId, errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH, included: null }
    }
    let included: boolean[] | null = null
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index]!
      const partition = partitions[index]
      assert(partition !== undefined, 'rows and partitions run side by side')
      const isIncluded = partition.mustRespond(row)
      if (!isIncluded) {
        included ??= new Array<boolean>(rows.length).fill(true)
        included[index] = false
      }
      // Those that gave data go to the end of the order, so that a small maxBytes starves nobody.
      if (isIncluded && row.recordsSize > 0) session.moveToEnd(partition)
      if (session.isPrivileged && (!row.isServed || partition.tie === null)) session.keepDue(partition)
    }
    return { sessionId, errorCode: ErrorCode.NONE, included }
  }
}

/** Up to so many partitions a list is as good as a set. */
const fewPartitions = 16

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
  private readonly partitions = new Map<string, CachedPartition>()
  private readonly readOrder = new ReadOrder<CachedPartition>()
  /** Of a follower's session: what the next fetch reads. */
  private readonly due = new Bag<CachedPartition>()
  private refreshedMs = -Infinity
  readonly gathered = new GatheringMark()
  /** The fetch that waits in this session. */
  listener: NewsListener | null = null

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
    return this.readOrder.list()
  }

  /** What has had news since it was read last; all of them when that was not done for `refreshMs`. */
  takeDue(nowMs: number, refreshMs: number): CachedPartition[] {
    const due = this.due.takeAll()
    const isRefresh = nowMs - this.refreshedMs >= refreshMs || nowMs < this.refreshedMs
    if (!isRefresh) return due
    this.refreshedMs = nowMs
    return this.list()
  }

  /** Adds what has had news since `taken` was taken. */
  takeNews(taken: CachedPartition[]): void {
    if (this.due.size === 0) return
    const known = taken.length > fewPartitions ? new Set(taken) : null
    for (const partition of this.due.takeAll()) {
      const isKnown = known === null ? taken.includes(partition) : known.has(partition)
      if (!isKnown) taken.push(partition)
    }
  }

  keepDue(partition: CachedPartition): void {
    if (!partition.isForgotten) this.due.add(partition)
  }

  /** Nobody tells it anything any more. */
  end(): void {
    for (const partition of this.partitions.values()) partition.end()
    this.due.takeAll()
    this.listener = null
  }

  add(partition: FetchPartition, row: FetchedPartition | undefined): void {
    const key = this.keyOf(partition)
    // A request may name a partition twice: the last one counts.
    const former = this.partitions.get(key)
    if (former !== undefined) this.remove(former)
    const cached = new CachedPartition(partition, this.isPrivileged ? this : null)
    if (row !== undefined) cached.remember(row)
    this.partitions.set(key, cached)
    this.readOrder.add(cached)
    if (this.isPrivileged) this.due.add(cached)
  }

  onNews(partition: CachedPartition): void {
    this.due.add(partition)
    this.listener?.onNews(partition)
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

  moveToEnd(partition: CachedPartition): void {
    if (!partition.isForgotten) this.readOrder.moveToEnd(partition)
  }

  private forget(key: string): void {
    const cached = this.partitions.get(key)
    if (cached === undefined) return
    this.remove(cached)
    this.partitions.delete(key)
  }

  private remove(partition: CachedPartition): void {
    partition.end()
    this.due.delete(partition)
    this.readOrder.delete(partition)
  }

  private keyOf(partition: ForgottenPartition): string {
    return `${this.usesTopicIds ? partition.topicId : partition.topic}/${partition.partition}`
  }
}
