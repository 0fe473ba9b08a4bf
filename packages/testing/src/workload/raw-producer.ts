import { RequestFailure } from '@millrace/client/connection/request-failure'
import { ErrorCode } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import type { Timer, World } from '@millrace/runtime/ports'
import type { Operation, SendResult } from '../checkers/history.ts'
import { batchOf, produceOf } from '../data-path/requests.ts'
import type { BrokerLinks } from './broker-links.ts'
import { payloadOf } from './payload.ts'
import type { TopicLeaders } from './topic-leaders.ts'

export interface RawProducerOptions {
  readonly process: string
  readonly topic: string
  readonly partitions: number
  readonly acks: -1 | 1
  readonly perSecond: number
  readonly links: BrokerLinks
  readonly leaders: TopicLeaders
  readonly world: World
  readonly record: (operation: Operation) => void
}

interface Value {
  readonly number: number
  readonly partition: number
}

const tickMs = 20
/** Requests of one partition that may be under way: they are pipelined on the leader's connection. */
const inFlightMax = 5
/** Values of one partition that wait to be sent again; beyond that the oldest is given up. */
const waitingMax = 50
const retryAfterMs = 100
const requestTimeoutMs = 5000

/** Answers that a broker gives only before it has written anything. */
const writtenNowhere: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.CORRUPT_MESSAGE,
])

/**
 * A producer without idempotence: one value per request, pipelined, sent again after a failure until it is acknowledged. Each
 * attempt is recorded, so duplicates that come of sending again can be told from others.
 */
export class RawProducer {
  private readonly options: RawProducerOptions
  private readonly inFlight: number[]
  private readonly waiting: { readonly value: Value; readonly dueMs: number }[][]
  private number = 0
  private owed = 0
  private timer: Timer | null = null
  private underWay = 0
  private whenQuiet: (() => void) | null = null

  constructor(options: RawProducerOptions) {
    this.options = options
    this.inFlight = Array<number>(options.partitions).fill(0)
    this.waiting = Array.from({ length: options.partitions }, () => [])
  }

  start(): void {
    this.timer = this.options.world.timers.every(tickMs, () => this.tick())
  }

  /** Sends nothing more; resolves when every attempt has ended. */
  async stop(): Promise<void> {
    this.timer?.cancel()
    this.timer = null
    if (this.underWay > 0) await new Promise<void>(resolve => (this.whenQuiet = resolve))
  }

  private tick(): void {
    const { partitions, perSecond } = this.options
    for (let partition = 0; partition < partitions; partition++) this.sendWaiting(partition)
    this.owed = Math.min(this.owed + (perSecond * tickMs) / 1000, perSecond)
    for (; this.owed >= 1; this.owed--) {
      const number = this.number++
      const partition = number % partitions
      if (this.inFlight[partition]! < inFlightMax) void this.attempt({ number, partition })
    }
  }

  private sendWaiting(partition: number): void {
    const nowMs = this.options.world.clock.monotonicMs()
    const waiting = this.waiting[partition]!
    while ((waiting[0]?.dueMs ?? Infinity) <= nowMs && this.inFlight[partition]! < inFlightMax) {
      void this.attempt(waiting.shift()!.value)
    }
  }

  private async attempt(value: Value): Promise<void> {
    const { leaders, process, world, acks, record } = this.options
    const { partition, number } = value
    const leader = leaders.of(partition)
    if (leader === undefined) return this.later(value)
    this.inFlight[partition]!++
    this.underWay++
    const startMs = world.clock.monotonicMs()
    const { result, offset } = await this.send(value, leader.brokerId)
    const endMs = world.clock.monotonicMs()
    const sent = { process, partition, value: `${process}:${number}`, startMs, endMs, result, offset }
    record({ type: 'send', ...sent, acks, ordered: false })
    if (result !== 'ok') this.later(value)
    this.inFlight[partition]!--
    if (--this.underWay === 0) this.whenQuiet?.()
  }

  private async send({ number, partition }: Value, brokerId: number): Promise<Outcome> {
    const { process, topic, acks, links } = this.options
    const timestamp = this.options.world.clock.wallMs()
    const records = batchOf([payloadOf(process, number)], { timestamp })
    const request = produceOf(topic, records, { partition, acks, timeoutMs: requestTimeoutMs })
    try {
      const { responses } = await links.ask(brokerId, produceRequest, produceResponse, request)
      const row = responses[0]?.partitionResponses[0]
      const errorCode = (row?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR) as ErrorCode
      if (row !== undefined && errorCode === ErrorCode.NONE) return { result: 'ok', offset: row.baseOffset }
      return { result: writtenNowhere.has(errorCode) ? 'failed' : 'unknown', offset: null }
    } catch (error) {
      // Whatever is no failure of a request failed before there was one: the connection could not be made.
      const isUnknown = error instanceof RequestFailure && error.outcome === 'unknown'
      return { result: isUnknown ? 'unknown' : 'failed', offset: null }
    }
  }

  private later(value: Value): void {
    const waiting = this.waiting[value.partition]!
    waiting.push({ value, dueMs: this.options.world.clock.monotonicMs() + retryAfterMs })
    if (waiting.length > waitingMax) waiting.shift()
    void this.options.leaders.refresh()
  }
}

interface Outcome {
  readonly result: SendResult
  readonly offset: number | null
}
