// Fetch: v4-17
//
// Behavior
// - Whole batches from each partition's fetch offset, as slices of the log: nothing is decoded or copied here.
// - Fewer than minBytes: waits up to maxWaitMs for more, then reads once more and answers.
// - The first partition that has data may exceed every limit, so that a batch larger than the limits does not stop a consumer.
// - Incremental sessions (KIP-227): core/partition/fetch-session.ts.
// - An answer to a follower may wait a moment for more records: core/partition/gathering.ts.
// - Consumers see what is committed (or stable); replicas see the end of the log, and their fetch offset is what they have.
// Version notes
// - v7: sessions. v9: leader epochs (KIP-320). v10: zstd; older clients get UNSUPPORTED_COMPRESSION_TYPE of topics with compression.type=zstd.
// - v11: consumers may read from followers (KIP-392). v12: divergingEpoch (KIP-595). v13: topic ids (KIP-516).
// - v15: replicaState instead of replicaId (KIP-903). v16: nodeEndpoints (KIP-951).
// - With the rack-aware selector a consumer that says its rack is sent to the in-sync replica in it (KIP-392).
// Not done: v0-3 (old message sets); quotas.
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  fetchRequest,
  fetchResponse,
  type FetchableTopicResponse,
  type FetchRequest,
  type FetchResponse,
  type NodeEndpoint,
  type PartitionData,
} from '@millrace/protocol/messages/01-fetch'
import type { Deadline } from '@millrace/runtime/deadline'
import type { FetchedPartition, FetchPartition } from '../core/partition/fetch-partition.ts'
import type { FetchContext, ForgottenPartition, NewsListener } from '../core/partition/fetch-session.ts'
import { gatherMsMax } from '../core/partition/gathering.ts'
import { preferredReadReplica } from '../core/partition/preferred-read-replica.ts'
import { Isolation } from '../replication/partition.ts'
import { FetchWait } from './fetch-wait.ts'
import { newsOf, PartitionFetch, type FetchTerms } from './partition-fetch.ts'
import { answersLater, noAnswer, type Answer, type Handler, type RequestContext } from './handler.ts'
import { addEndpoint, currentLeader } from './leader-endpoints.ts'
import { encodeResponse } from './response-frame.ts'
import type { DataServices } from './services.ts'

type Services = Pick<
  DataServices,
  'partitions' | 'metadata' | 'deadlines' | 'fetchSessions' | 'gathering' | 'settings' | 'leaderThrottle'
>

export default {
  apiKey: fetchRequest.apiKey,
  name: 'Fetch',
  versions: [4, 17],
  flexibleSince: fetchRequest.flexibleSince,
  servedFrom: 4,
  retainFrom: Infinity,
  isPipelined: false,
  answersAsLeader: true,
  run(body, context, services) {
    const request = codec(fetchRequest, context.apiVersion).decode(body)
    const session = beginSession(request, context, services)
    if (typeof session === 'number') {
      return { kind: 'parts', parts: encodeResponse(fetchResponse, context, topLevelError(session)) }
    }
    return new FetchOperation(request, session, context, services).start()
  },
} satisfies Handler<Services>

function beginSession(request: FetchRequest, context: RequestContext, services: Services): FetchContext | ErrorCode {
  const { fetchSessions, metadata } = services
  const usesTopicIds = context.apiVersion >= 13
  let partitions: FetchPartition[] = nothing
  for (const { topic, topicId, partitions: rows } of request.topics) {
    const name = nameOf(topic, topicId, usesTopicIds, metadata)
    // A follower's fetch names one partition as a rule, and a list that grows asks for room for 17.
    if (partitions === nothing) partitions = rows.map(row => askedOf(row, name, topicId))
    else for (const row of rows) partitions.push(askedOf(row, name, topicId))
  }
  const replicaId = replicaIdOf(request, context.apiVersion)
  return fetchSessions.begin({
    sessionId: request.sessionId,
    sessionEpoch: request.sessionEpoch,
    usesTopicIds,
    // Brokers, those of Kafka too, name the fetcher in the client id.
    follower: replicaId >= 0 ? `${replicaId} ${context.clientId}` : null,
    nowMs: context.nowMs,
    partitions,
    forgotten: forgottenOf(request, usesTopicIds, metadata),
  })
}

/** Null: no topic that we know has the id. */
function nameOf(topic: string, topicId: string, usesTopicIds: boolean, metadata: Services['metadata']): string | null {
  return usesTopicIds ? (metadata.topicName(topicId) ?? null) : topic
}

function askedOf(
  row: FetchRequest['topics'][number]['partitions'][number],
  topic: string | null,
  topicId: string,
): FetchPartition {
  return {
    topic,
    topicId,
    partition: row.partition,
    currentLeaderEpoch: row.currentLeaderEpoch,
    fetchOffset: row.fetchOffset,
    lastFetchedEpoch: row.lastFetchedEpoch,
    logStartOffset: row.logStartOffset,
    maxBytes: row.partitionMaxBytes,
    interest: null,
  }
}

function forgottenOf(
  { forgottenTopicsData }: FetchRequest,
  usesTopicIds: boolean,
  metadata: Services['metadata'],
): readonly ForgottenPartition[] {
  if (forgottenTopicsData.length === 0) return nothing
  return forgottenTopicsData.flatMap(({ topic, topicId, partitions }) => {
    const name = nameOf(topic, topicId, usesTopicIds, metadata)
    return partitions.map(partition => ({ topic: name, topicId, partition }))
  })
}

const nothing: [] = []

/** Below 0: a consumer. */
function replicaIdOf(request: FetchRequest, apiVersion: number): number {
  return apiVersion >= 15 ? request.replicaState.replicaId : request.replicaId
}

function topLevelError(errorCode: ErrorCode): FetchResponse {
  return { throttleTimeMs: 0, errorCode, sessionId: 0, responses: [], nodeEndpoints: [] }
}

/** One Fetch request, from its first read to its answer. */
class FetchOperation implements NewsListener {
  private readonly session: FetchContext
  private readonly context: RequestContext
  private readonly services: Services
  private readonly terms: FetchTerms
  private readonly maxWaitMs: number
  private readonly minBytes: number
  private fetches: PartitionFetch[] = nothing
  private wait: FetchWait | null = null
  private deadline: Deadline | null = null
  /** There are records, and more are expected: until then, or `gatherMsMax`. */
  private isGathering = false
  /** Looks again at the end of this turn's commits. */
  private willDecide = false
  private isOver = false

  constructor(request: FetchRequest, session: FetchContext, context: RequestContext, services: Services) {
    this.session = session
    this.context = context
    this.services = services
    this.maxWaitMs = request.maxWaitMs
    const replicaId = replicaIdOf(request, context.apiVersion)
    const isFollower = replicaId >= 0
    const maxBytes = isFollower
      ? request.maxBytes
      : Math.min(request.maxBytes, services.settings.get('fetch.max.bytes'))
    this.minBytes = Math.min(request.minBytes, maxBytes)
    this.terms = {
      replicaId,
      replicaEpoch: context.apiVersion >= 15 ? request.replicaState.replicaEpoch : -1,
      apiVersion: context.apiVersion,
      // Since KIP-392 a consumer says what it knows, so it may be sent to a follower, and believe it.
      mustLead: isFollower || context.apiVersion < 11,
      isolation: isolationOf(replicaId, request.isolationLevel),
      maxBytes,
      throttle: isFollower ? services.leaderThrottle : null,
      nearest: nearestReplica(request, replicaId, context, services),
    }
  }

  start(): Answer | typeof answersLater {
    this.readAll()
    // A follower's offset counts once, however often this fetch reads (reference 3.5).
    if (this.terms.replicaId >= 0) for (const fetch of this.fetches) fetch.tellLeader()
    const isComplete = this.isComplete()
    if (isComplete && !(this.foundOnlyRecords() && this.mayGather())) return this.answerAtOnce()
    this.release()
    // A follower waits for whatever there is in thousands of partitions: its session hears of it, and nobody asks each of them.
    if (this.session.tellsNews) this.session.listen(this)
    else this.wait = new FetchWait(this.fetches, this.minBytes, () => this.onReady())
    this.deadline = this.services.deadlines.after(this.maxWaitMs, () => this.onReady())
    this.context.onAbandoned(() => this.onAbandoned())
    this.wait?.enter()
    if (isComplete) this.gather()
    return answersLater
  }

  private readAll(): void {
    const { partitions, metadata } = this.services
    let remainingBytes = this.terms.maxBytes
    let minOneBatch = true
    const asks = this.session.partitions
    const fetches = new Array<PartitionFetch>(asks.length)
    for (let index = 0; index < asks.length; index++) {
      const asked = asks[index]!
      // Asked anew each time: a topic may have come, or gone and come back under its name with another id.
      if (this.context.apiVersion >= 13) asked.topic = metadata.topicName(asked.topicId) ?? null
      const fetch = new PartitionFetch(asked, this.terms, partitions)
      fetch.read(remainingBytes, minOneBatch)
      if (fetch.recordsSize > 0) minOneBatch = false
      remainingBytes = Math.max(0, remainingBytes - fetch.recordsSize)
      fetches[index] = fetch
    }
    this.fetches = fetches
  }

  private isComplete(): boolean {
    if (this.maxWaitMs <= 0) return true
    // A follower's session without news has nothing to read, but much to wait for: answered at once, an idle one spins.
    if (this.fetches.length === 0) return !this.session.tellsNews
    let bytes = 0
    for (const fetch of this.fetches) {
      if (fetch.errorCode !== ErrorCode.NONE || fetch.isDiverging || fetch.hasMore) return true
      if (fetch.preferredReadReplica >= 0) return true
      bytes += fetch.recordsSize
    }
    return bytes >= this.minBytes
  }

  /** A higher high watermark alone can wait for the next answer, as in Kafka. */
  onNews(asked: FetchPartition): void {
    const news = newsOf(asked, this.terms, this.services.partitions)
    if (news === 'error') return this.onReady()
    if (news === 'nothing' || this.willDecide || (this.minBytes > 1 && !this.findsEnough())) return
    // Other logs are written in this turn, too: what they have goes with the same answer.
    this.willDecide = true
    void Promise.resolve().then(() => this.decide())
  }

  private decide(): void {
    this.willDecide = false
    if (this.isOver) return
    if (!this.mayGather()) {
      this.tellGathering(this.isGathering ? 'enough' : 'at-once')
      this.onReady()
    } else if (!this.isGathering) this.gather()
  }

  private foundOnlyRecords(): boolean {
    if (this.maxWaitMs <= 0) return false
    return this.fetches.every(fetch => fetch.errorCode === ErrorCode.NONE && !fetch.isDiverging && !fetch.hasMore)
  }

  private mayGather(): boolean {
    const { gathered } = this.session
    return gathered !== null && this.services.gathering.isWorthWaiting(gathered)
  }

  private gather(): void {
    this.isGathering = true
    this.deadline?.cancel()
    this.deadline = this.services.deadlines.after(gatherMsMax, () => {
      this.tellGathering('late')
      this.onReady()
    })
  }

  private tellGathering(when: 'at-once' | 'enough' | 'late'): void {
    const { gathered } = this.session
    if (gathered !== null) this.services.gathering.onSent(gathered, when)
  }

  /** A follower that waits for more than there is now, which is rare: the price is a read each time. */
  private findsEnough(): boolean {
    try {
      this.session.refresh()
      this.readAll()
      return this.isComplete()
    } catch {
      // The read that answers will find the same, and say it.
      return true
    } finally {
      this.release()
    }
  }

  private answerAtOnce(): Answer {
    this.tellGathering('at-once')
    return this.answer()
  }

  /** Enough is there, or no time is left. */
  private onReady(): void {
    this.leave()
    let answer: Answer
    try {
      this.session.refresh()
      this.readAll()
      answer = this.answer()
    } catch (error) {
      // Called from the end of a log's turn, which must go on for the others.
      this.context.fail(error)
      return
    }
    this.context.answer(answer)
  }

  private onAbandoned(): void {
    this.leave()
    this.context.answer(noAnswer)
  }

  private leave(): void {
    this.isOver = true
    if (this.wait === null) this.session.listen(null)
    else this.wait.leave()
    this.deadline?.cancel()
  }

  private release(): void {
    for (const fetch of this.fetches) fetch.release()
  }

  private answer(): Answer {
    const { session, fetches, context } = this
    this.context.onAnswered(() => this.release())
    const { sessionId, errorCode, included } = session.complete(fetches satisfies FetchedPartition[], context.nowMs)
    if (errorCode !== ErrorCode.NONE) {
      return { kind: 'parts', parts: encodeResponse(fetchResponse, context, topLevelError(errorCode)) }
    }
    if (this.terms.throttle !== null) for (const fetch of fetches) fetch.noteTraffic()
    let responses: FetchableTopicResponse[] = nothing
    const nodeEndpoints: NodeEndpoint[] = []
    let last: FetchableTopicResponse | null = null
    for (let index = 0; index < fetches.length; index++) {
      if (included !== null && included[index] !== true) continue
      const fetch = fetches[index]!
      const { topic, topicId } = fetch.asked
      const row = fetch.row()
      this.nameLeader(row, topic, nodeEndpoints)
      // Rows of one topic that follow each other share their topic; the order of partitions is the session's.
      if (last !== null && last.topicId === topicId && last.topic === (topic ?? '')) {
        last.partitions.push(row)
        continue
      }
      last = { topic: topic ?? '', topicId, partitions: [row] }
      if (responses === nothing) responses = [last]
      else responses.push(last)
    }
    const value: FetchResponse = { throttleTimeMs: 0, errorCode, sessionId, responses, nodeEndpoints }
    return { kind: 'parts', parts: encodeResponse(fetchResponse, context, value) }
  }

  private nameLeader(row: PartitionData, topic: string | null, endpoints: NodeEndpoint[]): void {
    const { errorCode } = row
    const isMoved = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER || errorCode === ErrorCode.FENCED_LEADER_EPOCH
    if (this.context.apiVersion < 16 || !isMoved || topic === null) return
    const { metadata } = this.services
    row.currentLeader = currentLeader(metadata, topic, row.partitionIndex)
    addEndpoint(endpoints, row.currentLeader.leaderId, this.context.listener, metadata)
  }
}

/** The one selector there is, by the name it has in Kafka. */
const rackAwareSelector = 'org.apache.kafka.common.replica.RackAwareReplicaSelector'

/** Who is nearest to the consumer of this request; null: nobody is sent elsewhere. */
function nearestReplica(
  { rackId }: FetchRequest,
  replicaId: number,
  { apiVersion, listener }: RequestContext,
  services: Services,
): FetchTerms['nearest'] {
  if (replicaId !== -1 || apiVersion < 11 || rackId === '') return null
  if (services.settings.get('replica.selector.class') !== rackAwareSelector) return null
  return nearestTo(rackId, listener, services)
}

function nearestTo(clientRack: string, listener: string, { metadata }: Services): FetchTerms['nearest'] {
  const rackOf = (brokerId: number): string | null =>
    metadata.endpoint(brokerId, listener) === undefined ? null : (metadata.aliveBroker(brokerId)?.rack ?? null)
  return (partition, fetchOffset) => {
    const candidates = partition.readCandidates(fetchOffset)
    return preferredReadReplica({ leaderId: partition.leaderId, clientRack, candidates, rackOf })
  }
}

function isolationOf(replicaId: number, isolationLevel: number): Isolation {
  // -1 is the ordinary consumer; other negative ids are debuggers, which see what replicas see.
  if (replicaId !== -1) return Isolation.replica
  return isolationLevel === 1 ? Isolation.readCommitted : Isolation.readUncommitted
}
