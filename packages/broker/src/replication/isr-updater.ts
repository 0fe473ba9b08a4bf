import { errorName, ErrorCode } from '@millrace/protocol/errors'
import {
  alterPartitionRequest,
  alterPartitionResponse,
  type AlterPartitionRequest,
  type AlterPartitionResponse,
} from '@millrace/protocol/messages/56-alter-partition'
import type { Message, VersionRange } from '@millrace/protocol/schema'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import { ZERO_TOPIC_ID } from '../core/partition/controller-request-acceptance.ts'
import { AnyController, type IsrAnswer, type IsrAttempt, type IsrProposal } from '../core/partition/in-sync-set.ts'
import type { Partition } from './partition.ts'

/** Where leaders send their proposals. */
export interface IsrProposals {
  /** One at a time for a partition: it is settled when the partition's `onIsrAnswer` wants no retry. */
  propose(partition: Partition, proposal: IsrProposal): void
}

/** The way to the controller; controller/controller-client.ts fits. */
export interface ControllerChannel {
  /** `value` makes the request for the version that the controller speaks. Rejects when it is not reached. */
  requestAs<Request, Response extends { readonly errorCode: number }>(
    request: Message<Request>,
    response: Message<Response>,
    value: (apiVersion: number) => Request,
    versions: VersionRange,
  ): Promise<Response>
}

export interface IsrUpdaterOptions {
  readonly controller: ControllerChannel
  readonly brokerId: number
  readonly brokerEpoch: () => number
  /** Newest controller epoch that this broker has heard of; AnyController where controllers may be Kafka's, who do not look. */
  readonly controllerEpoch: () => number
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

const retryMs = 50
/** Topics are named by id since 2. */
const versionsWithIds: VersionRange = [0, 3]
const versionsWithNames: VersionRange = [0, 1]

/** The controller was not reached: as if somebody else had answered. */
const neverSent: IsrAnswer = { errorCode: ErrorCode.NOT_CONTROLLER }

type Row = AlterPartitionRequest['topics'][number]['partitions'][number]

/**
 * Takes the in-sync replicas that leaders propose to the controller (AlterPartition, KIP-497): all that wait in one request,
 * one request under way. What was not settled goes again after a pause, for as long as its leader wants it.
 */
export class IsrUpdater implements IsrProposals {
  private readonly options: IsrUpdaterOptions
  private readonly waiting = new Map<Partition, IsrProposal>()
  private isUnderWay = false
  private isScheduled = false
  private retryTimer: Timer | null = null
  private isClosed = false
  /** The number of the last request: one after the other, so that the controller knows those that come late. */
  private attempts = 0

  constructor(options: IsrUpdaterOptions) {
    this.options = options
  }

  get waitingCount(): number {
    return this.waiting.size
  }

  propose(partition: Partition, proposal: IsrProposal): void {
    this.waiting.set(partition, proposal)
    this.sendSoon()
  }

  close(): void {
    this.isClosed = true
    this.retryTimer?.cancel()
    this.waiting.clear()
  }

  /** At the end of the turn, with all that it proposed. */
  private sendSoon(): void {
    if (this.isScheduled || this.isUnderWay || this.retryTimer !== null) return
    this.isScheduled = true
    this.options.timers.soon(() => {
      this.isScheduled = false
      if (this.isClosed || this.waiting.size === 0) return
      this.isUnderWay = true
      void this.send().finally(() => {
        this.isUnderWay = false
        if (!this.isClosed && this.waiting.size > 0) this.sendSoon()
      })
    })
  }

  private async send(): Promise<void> {
    const sent = new Map(this.waiting)
    this.waiting.clear()
    const versions = [...sent.keys()].every(({ topicId }) => topicId !== null) ? versionsWithIds : versionsWithNames
    let response: AlterPartitionResponse
    const { clock, controllerEpoch } = this.options
    let attempt: IsrAttempt = { sentAtMs: clock.monotonicMs(), controllerEpoch: AnyController }
    let isSent = false
    const settle = (partition: Partition, proposal: IsrProposal, answer: IsrAnswer): void =>
      this.settle(partition, proposal, answer, attempt)
    try {
      response = await this.options.controller.requestAs(
        alterPartitionRequest,
        alterPartitionResponse,
        version => {
          isSent = true
          attempt = { sentAtMs: clock.monotonicMs(), controllerEpoch: controllerEpoch() }
          return this.request(sent, version, attempt.controllerEpoch)
        },
        versions,
      )
    } catch (error) {
      this.options.logger.debug('in-sync replicas could not be proposed', { count: sent.size, error: String(error) })
      const fate = isSent ? 'unknown' : neverSent
      for (const [partition, proposal] of sent) settle(partition, proposal, fate)
      return
    }
    if (this.isClosed) return
    if (response.errorCode !== ErrorCode.NONE) {
      const error = errorName(response.errorCode)
      this.options.logger.info('controller refuses proposals, they go again', { count: sent.size, error })
      // Of the whole request, before any of it was looked at.
      for (const [partition, proposal] of sent) {
        settle(partition, proposal, { errorCode: response.errorCode as ErrorCode })
      }
      return
    }
    const answers = answersOf(response)
    for (const [partition, proposal] of sent) {
      const answer =
        answers.get(keyOf(partition.topic, partition.partition)) ??
        answers.get(keyOf(partition.topicId ?? '', partition.partition))
      settle(partition, proposal, answer ?? 'unknown')
    }
  }

  private request(
    sent: ReadonlyMap<Partition, IsrProposal>,
    version: number,
    controllerEpoch: number,
  ): AlterPartitionRequest {
    const topics = new Map<string, AlterPartitionRequest['topics'][number]>()
    for (const [{ topic: topicName, topicId, partition }, proposal] of sent) {
      let row = topics.get(topicName)
      if (row === undefined)
        topics.set(topicName, (row = { topicName, topicId: topicId ?? ZERO_TOPIC_ID, partitions: [] }))
      row.partitions.push(rowOf(partition, proposal, version))
    }
    const { brokerId, brokerEpoch } = this.options
    const attempt = ++this.attempts
    return { brokerId, brokerEpoch: brokerEpoch(), topics: [...topics.values()], controllerEpoch, attempt }
  }

  private settle(partition: Partition, proposal: IsrProposal, answer: IsrAnswer, attempt: IsrAttempt): void {
    if (this.isClosed) return
    const verdict = partition.onIsrAnswer(proposal, answer, attempt)
    if (verdict !== 'retry') return
    // A newer proposal of the same partition takes its place; there is none while this one is not settled.
    if (!this.waiting.has(partition)) this.waiting.set(partition, proposal)
    this.retryTimer ??= this.options.timers.after(retryMs, () => {
      this.retryTimer = null
      this.sendSoon()
    })
  }
}

function rowOf(partitionIndex: number, proposal: IsrProposal, version: number): Row {
  const { leaderEpoch, partitionEpoch, inSyncReplicas } = proposal
  const hasEpochs = version >= 3
  return {
    partitionIndex,
    leaderEpoch,
    newIsr: hasEpochs ? [] : inSyncReplicas.map(({ brokerId }) => brokerId),
    newIsrWithEpochs: hasEpochs ? inSyncReplicas.map(({ brokerId, brokerEpoch }) => ({ brokerId, brokerEpoch })) : [],
    // A leader that speaks has recovered (KIP-704).
    leaderRecoveryState: 0,
    partitionEpoch,
  }
}

/** By topic name or id, whichever the version has, and partition. */
function answersOf(response: AlterPartitionResponse): Map<string, IsrAnswer> {
  const answers = new Map<string, IsrAnswer>()
  for (const { topicName, topicId, partitions } of response.topics) {
    for (const { partitionIndex, errorCode, leaderEpoch, isr, partitionEpoch } of partitions) {
      const answer =
        errorCode === ErrorCode.NONE
          ? { leaderEpoch, partitionEpoch, inSyncReplicas: isr }
          : { errorCode: errorCode as ErrorCode }
      answers.set(keyOf(topicName === '' ? topicId : topicName, partitionIndex), answer)
    }
  }
  return answers
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
