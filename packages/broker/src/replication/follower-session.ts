import { ErrorCode } from '@millrace/protocol/errors'
import type { FetchRequest, FetchTopic, ForgottenTopic } from '@millrace/protocol/messages/01-fetch'
import { ZERO_TOPIC_ID } from '../core/partition/controller-request-acceptance.ts'
import { Bag, type BagMember } from '../core/partition/bag.ts'
import { INITIAL_EPOCH, NO_SESSION, nextEpoch } from '../core/partition/fetch-session.ts'

/** What a follower asks of one partition now. Whoever changes it tells the session. It is in one session at a time. */
export interface FollowerFetch extends BagMember {
  readonly topic: string
  /** The zero id where the controller named none: then the whole request names topics. */
  readonly topicId: string
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly fetchOffset: number
  readonly lastFetchedEpoch: number
  readonly logStartOffset: number
}

/** The part of a Fetch request that a session shapes. */
export type SessionFields = Pick<FetchRequest, 'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'>

/** Fetch names topics by id since 13; 12 is for topics without. */
const versionWithIds = 17
const versionWithNames = 12

/**
 * The follower's side of an incremental fetch session (KIP-227): requests name only what is new, changed or gone since the
 * one before, at a cost that grows with the changes alone. Whenever the leader may believe otherwise, it begins anew.
 */
export class FollowerSession<Fetch extends FollowerFetch> {
  private readonly maxBytes: number
  private sessionId = NO_SESSION
  private epoch = INITIAL_EPOCH
  /** What the session is about, by topic id (or name) and partition. */
  private readonly wanted = new Map<string, WantedTopic<Fetch>>()
  private count = 0
  private withoutIdCount = 0
  /** Whether the session names topics by id: it may not do both. */
  private usesIds = true
  /** Not told to the leader yet. */
  private readonly changed = new Bag<Fetch>()
  private readonly gone = new Set<Fetch>()

  /** `maxBytes`: `replica.fetch.max.bytes`, for each partition. */
  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  get size(): number {
    return this.count
  }

  /** Valid for the request that was made last. */
  get apiVersion(): number {
    return this.usesIds ? versionWithIds : versionWithNames
  }

  /** Wanted from the next request on; or it was before and is another offset or epoch now. */
  want(fetch: Fetch): void {
    const key = topicKey(fetch)
    let topic = this.wanted.get(key)
    if (topic === undefined) this.wanted.set(key, (topic = { partitions: [], count: 0 }))
    const { partitions } = topic
    const before = partitions[fetch.partition]
    if (before === undefined) {
      topic.count++
      this.count++
      if (fetch.topicId === ZERO_TOPIC_ID) this.withoutIdCount++
    }
    partitions[fetch.partition] = fetch
    if (before !== undefined && before !== fetch) this.changed.delete(before)
    this.changed.add(fetch)
  }

  has(fetch: Fetch): boolean {
    return this.wanted.get(topicKey(fetch))?.partitions[fetch.partition] === fetch
  }

  /** Not wanted from the next request on. */
  forget(fetch: Fetch): void {
    const key = topicKey(fetch)
    const topic = this.wanted.get(key)
    if (topic?.partitions[fetch.partition] !== fetch) return
    topic.partitions[fetch.partition] = undefined
    topic.count--
    this.count--
    if (fetch.topicId === ZERO_TOPIC_ID) this.withoutIdCount--
    if (topic.count === 0) this.wanted.delete(key)
    this.changed.delete(fetch)
    this.gone.add(fetch)
  }

  /**
   * Whom a row of the answer is for; undefined when it was not asked so, or is asked something else by now. The leader believes that the row was
   * used, and would not say it again (a high watermark, to a log that has all records): the next request begins anew.
   */
  takerOf(topic: string, topicId: string, partition: number): Fetch | undefined {
    const partitions = this.usesIds ? this.wanted.get(topicId)?.partitions : this.byName(topic)
    const fetch = partitions?.[partition]
    if (fetch !== undefined && !this.changed.has(fetch)) return fetch
    this.restart()
    return undefined
  }

  request(): SessionFields {
    const usesIds = this.withoutIdCount === 0
    if (usesIds !== this.usesIds) this.restart()
    this.usesIds = usesIds
    const isFull = this.epoch === INITIAL_EPOCH
    const topics = this.topics(isFull ? this.all() : this.changed.takeAll())
    if (isFull) this.changed.takeAll()
    const { sessionId, epoch: sessionEpoch } = this
    return { sessionId, sessionEpoch, topics, forgottenTopicsData: this.takeGone(isFull) }
  }

  /** The answer's head. False: the session is over, and the answer has no rows. */
  accept(errorCode: number, sessionId: number): boolean {
    if (errorCode !== ErrorCode.NONE) {
      if (errorCode === ErrorCode.FETCH_SESSION_ID_NOT_FOUND) this.sessionId = NO_SESSION
      this.restart()
      return false
    }
    // 0: the leader has no room for a session, or ours ended. The next request asks for one again.
    this.epoch = sessionId === NO_SESSION ? INITIAL_EPOCH : nextEpoch(this.epoch)
    this.sessionId = sessionId
    return true
  }

  /** No answer came, so nobody knows what the leader believes: the next request closes the session and opens another. */
  restart(): void {
    this.epoch = INITIAL_EPOCH
  }

  /** Rare: a topic without an id is among them, and the answer names topics. */
  private byName(topic: string): readonly (Fetch | undefined)[] | undefined {
    for (const { partitions } of this.wanted.values()) {
      if (partitions.find(each => each !== undefined)?.topic === topic) return partitions
    }
    return undefined
  }

  private *all(): IterableIterator<Fetch> {
    for (const { partitions } of this.wanted.values()) {
      for (const fetch of partitions) if (fetch !== undefined) yield fetch
    }
  }

  private takeGone(isFull: boolean): ForgottenTopic[] {
    if (this.gone.size === 0) return nothingGone
    // What is wanted again under its old name was changed, not forgotten.
    const gone = [...this.gone].filter(
      each => this.wanted.get(topicKey(each))?.partitions[each.partition] === undefined,
    )
    this.gone.clear()
    return isFull ? nothingGone : forgotten(gone)
  }

  /** Nearly all requests name one topic and one partition: lists are made in their size, because one that grows asks for room for 17. */
  private topics(fetches: Iterable<Fetch>): FetchTopic[] {
    let rows: FetchTopic[] = noTopics
    let row: FetchTopic | null = null
    let others: Map<string, FetchTopic> | null = null
    for (const fetch of fetches) {
      const key = topicKey(fetch)
      if (row !== null && topicKey(row) !== key) {
        others ??= new Map([[topicKey(row), row]])
        row = others.get(key) ?? null
      }
      if (row !== null) {
        row.partitions.push(this.rowOf(fetch))
        continue
      }
      row = { topic: fetch.topic, topicId: fetch.topicId, partitions: [this.rowOf(fetch)] }
      others?.set(key, row)
      if (rows === noTopics) rows = [row]
      else rows.push(row)
    }
    return rows
  }

  private rowOf(fetch: Fetch): FetchTopic['partitions'][number] {
    return {
      partition: fetch.partition,
      currentLeaderEpoch: fetch.currentLeaderEpoch,
      fetchOffset: fetch.fetchOffset,
      lastFetchedEpoch: fetch.lastFetchedEpoch,
      logStartOffset: fetch.logStartOffset,
      partitionMaxBytes: this.maxBytes,
      replicaDirectoryId: ZERO_TOPIC_ID,
    }
  }
}

const noTopics: FetchTopic[] = []
const nothingGone: [] = []

interface WantedTopic<Fetch> {
  readonly partitions: (Fetch | undefined)[]
  /** Of those that are there. */
  count: number
}

function forgotten(fetches: readonly FollowerFetch[]): ForgottenTopic[] {
  const topics = new Map<string, ForgottenTopic>()
  for (const { topic, topicId, partition } of fetches) {
    const key = topicKey({ topic, topicId })
    let row = topics.get(key)
    if (row === undefined) topics.set(key, (row = { topic, topicId, partitions: [] }))
    row.partitions.push(partition)
  }
  return [...topics.values()]
}

/** A topic that came back under its name with another id is another topic. */
function topicKey({ topic, topicId }: { readonly topic: string; readonly topicId: string }): string {
  return topicId === ZERO_TOPIC_ID ? topic : topicId
}
