// Produce: v0-11, served from v3
//
// Behavior
// - Appends one batch per partition and answers when it is written (acks 1) or replicated (acks -1). acks 0: no answer; an
//   error closes the connection, because nothing else can tell the producer.
// - Requests of one connection are started while earlier ones wait: appends happen in order, answers leave in order.
// - The internal topics take records of the admin client only.
// Version notes
// - v0-2 carry old message sets. They are advertised, because librdkafka drops compression for a broker without them, and refused.
// - v7: zstd (KIP-110). v8: recordErrors, errorMessage (KIP-467). v10: currentLeader, nodeEndpoints (KIP-951).
// Not done: v0-2; transactions: a transactional batch is refused with INVALID_TXN_STATE.
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  produceRequest,
  produceResponse,
  type NodeEndpoint,
  type PartitionProduceResponse,
  type ProduceRequest,
  type ProduceResponse,
  type TopicProduceResponse,
} from '@millrace/protocol/messages/00-produce'
import { BATCH_HEADER_SIZE, isTransactionalAt, magicAt } from '@millrace/protocol/records/record-batch'
import type { Deadline } from '@millrace/runtime/deadline'
import type { CommitListener } from '../replication/commit-waiters.ts'
import type { Acks, Partition } from '../replication/partition.ts'
import { answersLater, noAnswer, type Answer, type Handler, type RequestContext } from './handler.ts'
import { isInternalTopic } from '../core/controller/topic-rules.ts'
import { addEndpoint, currentLeader, noLeader } from './leader-endpoints.ts'
import { encodeResponse } from './response-frame.ts'
import type { DataServices } from './services.ts'

type Services = Pick<DataServices, 'partitions' | 'metadata' | 'deadlines' | 'gathering'>

/** Only the admin client may write what coordinators read. */
const adminClientId = '__admin_client'

export default {
  apiKey: produceRequest.apiKey,
  name: 'Produce',
  versions: [0, 11],
  flexibleSince: produceRequest.flexibleSince,
  servedFrom: 3,
  // The log takes the bytes over, or writes them, inside append.
  retainFrom: Infinity,
  isPipelined: true,
  answersAsLeader: true,
  run(body, context, services) {
    const request = codec(produceRequest, context.apiVersion).decode(body)
    const operation = new ProduceOperation(request, context, services)
    operation.start()
    return answersLater
  },
} satisfies Handler<Services>

type Row = { -readonly [Key in keyof PartitionProduceResponse]: PartitionProduceResponse[Key] }

/**
 * One Produce request, from its appends to its answer. There are a hundred thousand of them per second, most with one
 * partition: arrays are made in their final size, and only where something goes in.
 */
class ProduceOperation implements CommitListener {
  private readonly request: ProduceRequest
  private readonly context: RequestContext
  private readonly services: Services
  private readonly responses: TopicProduceResponse[]
  /** All rows in request order; the position is the token of its wait. */
  private readonly rows: Row[]
  private endpoints: NodeEndpoint[] = none
  /** acks -1: partitions that something waits for, by row. Where to cancel when time is over. */
  private waiting: (Partition | undefined)[] | null = null
  private pendingCount = 1
  private appendedBytes = 0
  /** Those who gather for followers know of it. */
  private isGathered = false
  private deadline: Deadline | null = null

  constructor(request: ProduceRequest, context: RequestContext, services: Services) {
    this.request = request
    this.context = context
    this.services = services
    const { topicData } = request
    this.responses = new Array<TopicProduceResponse>(topicData.length)
    for (let index = 0; index < topicData.length; index++) {
      const { name, partitionData } = topicData[index]!
      const partitionResponses = new Array<Row>(partitionData.length)
      for (let each = 0; each < partitionData.length; each++) {
        partitionResponses[each] = emptyRow(partitionData[each]!.index)
      }
      this.responses[index] = { name, partitionResponses }
    }
    const [first] = this.responses
    const isOneTopic = first !== undefined && this.responses.length === 1
    this.rows = isOneTopic
      ? first.partitionResponses
      : this.responses.flatMap(({ partitionResponses }) => partitionResponses)
  }

  start(): void {
    const { acks, topicData, timeoutMs } = this.request
    const refusal = this.refusalOfAll()
    let token = 0
    for (const { name, partitionData } of topicData) {
      for (const { records } of partitionData) {
        const row = this.rows[token] as Row
        if (refusal === ErrorCode.NONE) this.produce(name, records, row, token)
        else row.errorCode = refusal
        token++
      }
    }
    // The 1 that `pendingCount` began with: nobody answers before every partition was started.
    this.pendingCount--
    if (this.pendingCount === 0) this.answer()
    else if (acks === -1) {
      this.deadline = this.services.deadlines.after(timeoutMs, () => this.onDeadline())
      this.services.gathering.onAppended(this.appendedBytes, this.context.nowMs)
      this.isGathered = true
    }
  }

  onCommitted(token: number, errorCode: ErrorCode): void {
    if (this.waiting !== null) this.waiting[token] = undefined
    // The offsets stay in the row: the records are there, only not as safe as asked for.
    if (errorCode !== ErrorCode.NONE) (this.rows[token] as Row).errorCode = errorCode
    this.pendingCount--
    if (this.pendingCount === 0) this.answer()
  }

  /** An error for the whole request; NONE when it may go on. */
  private refusalOfAll(): ErrorCode {
    if (!hasTransactionalBatch(this.request)) return ErrorCode.NONE
    // Kafka asks "may this principal write as that id", and nobody may write as nobody.
    const { transactionalId } = this.request
    return transactionalId === null ? ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED : ErrorCode.INVALID_TXN_STATE
  }

  private produce(topic: string, records: Buffer | null, row: Row, token: number): void {
    const { acks } = this.request
    const partition = this.services.partitions.leaderOf(topic, row.index)
    if (typeof partition === 'number') {
      row.errorCode = partition
      this.nameLeader(row, topic)
      return
    }
    if (records === null || records.length === 0) row.errorCode = ErrorCode.INVALID_RECORD
    else if (isInternalTopic(topic) && this.context.clientId !== adminClientId) {
      row.errorCode = ErrorCode.INVALID_TOPIC_EXCEPTION
    } else if (!isAcks(acks)) row.errorCode = ErrorCode.INVALID_REQUIRED_ACKS
    else this.append(row, token, partition, records, acks)
  }

  private append(row: Row, token: number, partition: Partition, records: Buffer, acks: Acks): void {
    const { apiVersion, nowMs } = this.context
    const outcome = partition.append(records, { acks, apiVersion, nowMs })
    row.logStartOffset = outcome.logStartOffset
    if (!outcome.ok) {
      row.errorCode = outcome.errorCode as ErrorCode
      row.errorMessage = outcome.errorMessage
      if (outcome.recordErrors.length > 0) {
        row.recordErrors = outcome.recordErrors.map(({ batchIndex, message }) => ({
          batchIndex,
          batchIndexErrorMessage: message,
        }))
      }
      return
    }
    row.baseOffset = outcome.baseOffset
    row.logAppendTimeMs = outcome.logAppendTimeMs
    this.pendingCount++
    this.appendedBytes += records.length
    if (acks === -1) {
      this.waiting ??= new Array<Partition | undefined>(this.rows.length)
      this.waiting[token] = partition
      partition.whenCommitted(outcome.lastOffset + 1, this, token)
    } else {
      partition.whenWritten(outcome.lastOffset + 1, this, token)
    }
  }

  private nameLeader(row: Row, topic: string): void {
    if (this.context.apiVersion < 10 || row.errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER) return
    const leader = currentLeader(this.services.metadata, topic, row.index)
    row.currentLeader = leader
    if (this.endpoints === none) this.endpoints = []
    addEndpoint(this.endpoints, leader.leaderId, this.context.listener, this.services.metadata)
  }

  private onDeadline(): void {
    this.waiting?.forEach((partition, token) => {
      if (partition === undefined) return
      partition.cancelWaits(this)
      this.onCommitted(token, ErrorCode.REQUEST_TIMED_OUT)
    })
  }

  private answer(): void {
    this.deadline?.cancel()
    if (this.isGathered) this.services.gathering.onAnswered()
    let answer: Answer
    try {
      answer = this.request.acks === 0 ? this.silence() : this.response()
    } catch (error) {
      // Called from the end of a log's turn, which must go on for the others.
      this.context.fail(error)
      return
    }
    this.context.answer(answer)
  }

  private silence(): Answer {
    const failed = this.rows.find(row => row.errorCode !== ErrorCode.NONE)
    if (failed === undefined) return noAnswer
    return { kind: 'close', reason: `acks=0 and error code ${failed.errorCode}` }
  }

  private response(): Answer {
    const value: ProduceResponse = { responses: this.responses, throttleTimeMs: 0, nodeEndpoints: this.endpoints }
    return { kind: 'parts', parts: encodeResponse(produceResponse, this.context, value) }
  }
}

function emptyRow(index: number): Row {
  return {
    index,
    errorCode: ErrorCode.NONE,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: none,
    errorMessage: null,
    currentLeader: noLeader,
  }
}

const none: [] = []

function isAcks(acks: number): acks is Acks {
  return acks === -1 || acks === 0 || acks === 1
}

function hasTransactionalBatch({ topicData }: ProduceRequest): boolean {
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) {
      if (records === null || records.length < BATCH_HEADER_SIZE) continue
      if (magicAt(records, 0) === 2 && isTransactionalAt(records, 0)) return true
    }
  }
  return false
}
