import { ErrorCode } from '@millrace/protocol/errors'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Random, Timer, Timers } from '@millrace/runtime/ports'
import { QueueClosed, SerialQueue } from '@millrace/runtime/serial-queue'
import { AnyVersion, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Coordination, SessionEvent } from '@millrace/zookeeper/coordination'
import { ControllerState } from '../core/controller/controller-state.ts'
import type { ControllerEvent } from '../core/controller/event.ts'
import { isBeingReassigned, type ReplicaAssignment } from '../core/controller/leadership.ts'
import { plan } from '../core/controller/plan.ts'
import { planAlterPartition, type IsrChange, type IsrChangeAnswer } from '../core/controller/plan-alter-partition.ts'
import { planControlledShutdown, type ShutdownAnswer } from '../core/controller/plan-controlled-shutdown.ts'
import { planElectLeaders } from '../core/controller/plan-leader-election.ts'
import type { ElectionOutcome, RequestedElection } from '../core/controller/plan-leader-election.ts'
import { planAlterReassignments } from '../core/controller/plan-reassignment.ts'
import type { ReassignmentOutcome } from '../core/controller/plan-reassignment.ts'
import type { ReassignmentRequest } from '../core/controller/reassignment.ts'
import type { PartitionName, Plan } from '../core/controller/plan-step.ts'
import { ControllerMoved, readAndWatch } from '../metadata/coordination.ts'
import { randomUuid } from '../metadata/uuid.ts'
import { controllerZnode, logDirEventsZnode, topicZnode, type TopicAssignment } from '../metadata/znodes.ts'
import { deleteZnodes, takeOver } from './become-controller.ts'
import type { ConnectToBroker } from './broker-channel.ts'
import { BrokerChannels } from './broker-channels.ts'
import { BrokerLossWatch } from './broker-loss-watch.ts'
import type { ControllerTerm } from './controller-term.ts'
import { standForElection } from './election.ts'
import { executePlan } from './execute-plan.ts'
import type { PeerProbes } from './peer-probes.ts'
import { takeProducerIdBlock } from './producer-id-block.ts'
import { assignmentsOf, subjectOf, Watches, type Change } from './watches.ts'
import { whileConnected } from './while-connected.ts'

export interface ControllerOptions {
  readonly coordination: Coordination
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  readonly connect: ConnectToBroker
  readonly brokerId: number
  readonly interBrokerListener: string
  /** `control.plane.listener.name`; null: control requests use the listener between brokers. */
  readonly controlPlaneListener: string | null
  /** `controller.socket.timeout.ms`. */
  readonly requestTimeoutMs: number
  /** `delete.topic.enable`. */
  readonly deleteTopics: boolean
  /** `unclean.leader.election.enable` as it is now. */
  readonly uncleanByDefault: () => boolean
  /** `auto.leader.rebalance.enable`; undefined: leaders go back to the preferred brokers only when somebody asks. */
  readonly leaderBalance?: LeaderBalance | undefined
  /** `millrace.fast.failure.detection.enable`; undefined: only ZooKeeper says who is gone. */
  readonly probes?: PeerProbes | undefined
}

export interface LeaderBalance {
  /** `leader.imbalance.per.broker.percentage`. */
  readonly percentage: number
  /** `leader.imbalance.check.interval.seconds`. */
  readonly checkIntervalMs: number
}

/** A block of producer ids, or the reason why there is none. */
export interface ProducerIdsAnswer {
  readonly errorCode: number
  readonly firstProducerId: number
  readonly count: number
}

/** What handlers ask of the controller that may be in this broker. */
export interface ControllerView {
  /** True from the election on, even while the cluster is still being read. */
  readonly isActive: boolean
  /** -1 when not active. */
  readonly controllerEpoch: number
  isQueuedForDeletion(topic: string): boolean
  isBeingReassigned(topic: string): boolean
  /**
   * Resolves when every broker has answered what it was sent, or after `timeoutMs`. More than Kafka promises: who created a
   * topic may ask any broker for it at once.
   */
  everyBrokerTold(timeoutMs: number): Promise<void>
  /** Resolves when the deletion of these topics has ended, or after `timeoutMs`: then their names are free. */
  untilDeleted(topics: readonly string[], timeoutMs: number): Promise<void>
  /** NOT_CONTROLLER, BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH or a block. `brokerEpoch` -1 is not checked. */
  allocateProducerIds(brokerId: number, brokerEpoch: number): Promise<ProducerIdsAnswer>
  /** A leader proposes other in-sync replicas. NOT_CONTROLLER and STALE_BROKER_EPOCH are of the whole; the rest is per partition. */
  alterPartition(change: IsrChange): Promise<IsrChangeAnswer>
  /** A broker wants to stop. NOT_CONTROLLER, STALE_BROKER_EPOCH, BROKER_NOT_AVAILABLE, or what it still leads. */
  controlledShutdown(brokerId: number, brokerEpoch: number): Promise<ShutdownAnswer>
  /** Null: not the controller. `partitions` null: all. Answers when the elections are written down. */
  electLeaders(
    election: RequestedElection,
    partitions: readonly PartitionName[] | null,
  ): Promise<readonly ElectionOutcome[] | null>
  /** Null: not the controller. Answers when the reassignments have begun. */
  alterReassignments(requests: readonly ReassignmentRequest[]): Promise<readonly ReassignmentOutcome[] | null>
  /** Null: not the controller. What is being reassigned, of `partitions` or (null) of all. */
  reassignments(partitions: readonly PartitionName[] | null): Promise<readonly RunningReassignment[] | null>
}

export interface RunningReassignment extends PartitionName {
  readonly assignment: ReplicaAssignment
}

/** All that belongs to one term; thrown away with it. */
interface Office {
  readonly term: ControllerTerm
  readonly state: ControllerState
  readonly channels: BrokerChannels
  readonly watches: Watches
  readonly pendingChanges: Set<string>
  readonly lossWatch: BrokerLossWatch | null
  balanceTimer: Timer | null
}

/** More than every watch of a large cluster firing at once. */
const maxWaitingEvents = 200_000

/** What an event may take without a word of it, from its decision to the last write. */
const slowEventMs = 100

/** Between two looks at a deletion that somebody waits for. */
const deletionCheckMs = 5

/** After a failure of this controller: time for another broker to be elected, and no busy loop when there is none. */
const pauseAfterFailureMs = 1_000

/** From the election to the first look at the balance of leaders: brokers that start together have time to come. */
const firstBalanceMs = 5_000

/**
 * Runs for office, and holds it: one event at a time, in order, each decided by `core/controller` and carried out here.
 * Every broker has one; at most one of them holds a term that ZooKeeper lets write.
 */
export class Controller implements ControllerView {
  readonly #options: ControllerOptions
  readonly #logger: Logger
  readonly #queue = new SerialQueue(maxWaitingEvents)
  #office: Office | null = null
  #stopListening: (() => void) | null = null
  #pause: Timer | null = null
  #isStopped = false
  readonly #onControllerZnode = (): void => this.#enqueueLook()

  constructor(options: ControllerOptions) {
    this.#options = options
    this.#logger = options.logger
  }

  get isActive(): boolean {
    return this.#office !== null && !this.#office.term.isOver
  }

  get controllerEpoch(): number {
    return this.isActive ? this.#office!.term.controllerEpoch : -1
  }

  /** Watches `/controller` and stands for election if nobody holds it. Resolves when that first attempt has ended. */
  async start(): Promise<void> {
    this.#stopListening = this.#options.coordination.onSessionEvent(event => this.#onSessionEvent(event))
    await this.#enqueue(() => this.#look())
  }

  /** Resigns and waits for the event that runs. `/controller` goes with the session. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopListening?.()
    this.#pause?.cancel()
    this.#resign('the broker stops')
    await this.#queue.close()
  }

  isQueuedForDeletion(topic: string): boolean {
    return this.#office?.state.isQueuedForDeletion(topic) ?? false
  }

  isBeingReassigned(topic: string): boolean {
    const partitions = this.#office?.state.partitionsOf(topic) ?? []
    return partitions.some(partition => isBeingReassigned(partition.assignment))
  }

  async everyBrokerTold(timeoutMs: number): Promise<void> {
    const channels = this.#office?.channels
    if (channels === undefined) return
    let timer: Timer | null = null
    const late = new Promise<void>(resolve => (timer = this.#options.timers.after(timeoutMs, resolve)))
    await Promise.race([channels.idle(), late])
    ;(timer as Timer | null)?.cancel()
  }

  async untilDeleted(topics: readonly string[], timeoutMs: number): Promise<void> {
    const { clock, timers } = this.#options
    const end = clock.monotonicMs() + timeoutMs
    const isPending = (): boolean =>
      this.isActive && topics.some(topic => this.#office?.state.topics.has(topic) ?? false)
    while (isPending() && clock.monotonicMs() < end)
      await new Promise<void>(resolve => timers.after(deletionCheckMs, resolve))
  }

  async allocateProducerIds(brokerId: number, brokerEpoch: number): Promise<ProducerIdsAnswer> {
    const office = this.#office
    if (office === null || !this.isActive) return refusal(ErrorCode.NOT_CONTROLLER)
    return await this.#queue.run(async () => {
      if (office !== this.#office || office.term.isOver) return refusal(ErrorCode.NOT_CONTROLLER)
      const broker = office.state.brokers.get(brokerId)
      if (broker === undefined || !office.state.isLive(brokerId)) return refusal(ErrorCode.BROKER_ID_NOT_REGISTERED)
      if (brokerEpoch !== -1 && brokerEpoch !== broker.epoch) return refusal(ErrorCode.STALE_BROKER_EPOCH)
      try {
        const { firstProducerId, lastProducerId } = await takeProducerIdBlock(office.term, brokerId)
        return { errorCode: ErrorCode.NONE, firstProducerId, count: lastProducerId - firstProducerId + 1 }
      } catch (error) {
        if (!(error instanceof ControllerMoved)) throw error
        this.#resign('another controller was elected')
        return refusal(ErrorCode.NOT_CONTROLLER)
      }
    })
  }

  async alterPartition(change: IsrChange): Promise<IsrChangeAnswer> {
    const answer = await this.#ask(state => planAlterPartition(state, change))
    if (answer === null) return { errorCode: ErrorCode.NOT_CONTROLLER, proposals: [] }
    const moving = answer.proposals.flatMap(({ errorCode, partition }) =>
      errorCode === ErrorCode.NONE && partition !== null && isBeingReassigned(partition.assignment)
        ? { topic: partition.topic, partition: partition.partition }
        : [],
    )
    // The leader does not wait for what follows from its new ISR.
    if (moving.length > 0) this.#enqueueEvent({ event: 'isr-changed', partitions: moving })
    return answer
  }

  async controlledShutdown(brokerId: number, brokerEpoch: number): Promise<ShutdownAnswer> {
    const answer = await this.#ask(state => planControlledShutdown(state, brokerId, brokerEpoch))
    return answer ?? { errorCode: ErrorCode.NOT_CONTROLLER, remaining: [] }
  }

  electLeaders(
    election: RequestedElection,
    partitions: readonly PartitionName[] | null,
  ): Promise<readonly ElectionOutcome[] | null> {
    return this.#inOffice(office => {
      const mayElectUncleanly = election !== 'unclean' || (office.lossWatch?.mayElectUncleanly() ?? true)
      return this.#execute(office, planElectLeaders(office.state, election, partitions, mayElectUncleanly))
    })
  }

  alterReassignments(requests: readonly ReassignmentRequest[]): Promise<readonly ReassignmentOutcome[] | null> {
    return this.#ask(state => planAlterReassignments(state, requests))
  }

  /** Behind what is under way, so that whoever began a reassignment sees it. */
  reassignments(partitions: readonly PartitionName[] | null): Promise<readonly RunningReassignment[] | null> {
    return this.#inOffice(office => {
      const asked =
        partitions === null
          ? [...office.state.partitions()]
          : partitions.flatMap(({ topic, partition }) => office.state.partition(topic, partition) ?? [])
      const running = asked.filter(({ assignment }) => isBeingReassigned(assignment))
      return Promise.resolve(running.map(({ topic, partition, assignment }) => ({ topic, partition, assignment })))
    })
  }

  /** Runs a plan that answers somebody, when its turn comes. Null: this broker is not the controller, or is none any more. */
  #ask<Answer>(decide: (state: ControllerState) => Plan<Answer>): Promise<Answer | null> {
    return this.#inOffice(office => this.#execute(office, decide(office.state)))
  }

  async #inOffice<Answer>(run: (office: Office) => Promise<Answer>): Promise<Answer | null> {
    const office = this.#office
    if (office === null || !this.isActive) return null
    let answer: Answer | null = null
    await this.#enqueue(() =>
      this.#guard(office, async () => {
        answer = await run(office)
      }),
    )
    return answer
  }

  /** `unclean.leader.election.enable` was turned on: for one topic, or (null) in the broker's settings. */
  onUncleanElectionEnabled(topic: string | null): void {
    this.#enqueueEvent({ event: 'unclean-election-enabled', topic })
  }

  #onSessionEvent(event: SessionEvent): void {
    // Nothing is written any more from here on: the next session must not carry on a term of this one.
    if (event.type === 'expired') this.#resign('the session expired')
    if (event.type === 'established') this.#enqueueLook()
  }

  #enqueueLook(): void {
    void this.#enqueue(() => this.#look())
  }

  /** A failure outside of any term is logged; the next change of `/controller` or of the session tries again. */
  async #enqueue(run: () => Promise<void>): Promise<void> {
    try {
      await this.#queue.run(run)
    } catch (error) {
      if (error instanceof QueueClosed || isCoordinationError(error, 'SESSION_EXPIRED', 'CLOSED')) return
      this.#logger.error('controller event failed', { error })
      this.#pauseThenLook()
    }
  }

  /** Reads who is controller, watching, and acts on it: resigns, or stands for election. */
  async #look(): Promise<void> {
    const { coordination, brokerId, clock } = this.#options
    const generation = coordination.session?.generation
    if (this.#isStopped || generation === undefined) return
    const current = await whileConnected(coordination, generation, () =>
      readAndWatch(coordination, controllerZnode, controllerZnode.path(), this.#onControllerZnode),
    )
    const isOurs = current !== null && current.stat.ephemeralOwner === coordination.session?.id
    if (this.#office !== null && (!isOurs || this.#office.term.isOver)) this.#resign('it holds /controller no more')
    if (this.#office !== null || this.#pause !== null || this.#isStopped) return
    if (current !== null && !isOurs) {
      this.#logger.debug('controller found', { controllerId: current.value.brokerId })
      return
    }
    const term = await standForElection({ coordination, brokerId, nowMs: () => clock.wallMs() })
    if (term !== null && !this.#isStopped) await this.#takeOffice(term)
  }

  async #takeOffice(term: ControllerTerm): Promise<void> {
    const office = this.#open(term)
    this.#office = office
    this.#logger.info('elected controller', { controllerEpoch: term.controllerEpoch })
    await this.#guard(office, async () => {
      const topicIdFor = (name: string, topic: TopicAssignment): Promise<string> => this.#giveTopicId(term, name, topic)
      const { clock } = this.#options
      const fromMs = clock.monotonicMs()
      const event = await takeOver({ term, watches: office.watches, logger: this.#logger, topicIdFor })
      const readMs = Math.round(clock.monotonicMs() - fromMs)
      office.lossWatch?.follow(new Map(event.brokers.map(broker => [broker.id, broker])))
      await this.#decide(office, event)
      this.#balanceAfter(office, firstBalanceMs)
      const { brokers, topics } = office.state
      const partitions = [...topics.values()].reduce((sum, topic) => sum + topic.partitions.size, 0)
      const fields = { brokers: [...brokers.keys()], topics: topics.size, partitions, readMs }
      this.#logger.info('controller is ready', { ...fields, readyMs: Math.round(clock.monotonicMs() - fromMs) })
    })
  }

  #open(term: ControllerTerm): Office {
    const { brokerId, interBrokerListener, controlPlaneListener, deleteTopics, connect, timers, requestTimeoutMs } =
      this.#options
    const { controllerEpoch } = term
    const pendingChanges = new Set<string>()
    const state = new ControllerState({ brokerId, controllerEpoch, interBrokerListener, deleteTopics })
    const watches = new Watches(term, this.#logger, change => this.#enqueueChange(office, change))
    const channels = new BrokerChannels({
      listener: controlPlaneListener ?? interBrokerListener,
      sender: { brokerId, controllerEpoch },
      connect,
      timers,
      logger: this.#logger,
      requestTimeoutMs,
      onEvent: event => this.#enqueueEvent(event, office),
      onRefused: errorCode => {
        // A broker has heard of a newer controller: look whether it is true.
        if (errorCode === ErrorCode.STALE_CONTROLLER_EPOCH) this.#enqueueLook()
        // The incarnation that we know is dead: another one has registered at its address.
        if (errorCode === ErrorCode.STALE_BROKER_EPOCH) this.#enqueueChange(office, { change: 'brokers' })
      },
    })
    const lossWatch = this.#lossWatchOf(term, event => this.#enqueueEvent(event, office))
    const office: Office = { term, state, channels, watches, pendingChanges, lossWatch, balanceTimer: null }
    return office
  }

  #lossWatchOf(term: ControllerTerm, enqueue: (event: ControllerEvent) => void): BrokerLossWatch | null {
    const { probes, brokerId, interBrokerListener, controlPlaneListener, clock, timers, coordination } = this.#options
    if (probes === undefined) return null
    const watch: BrokerLossWatch = new BrokerLossWatch({
      ...{ term, brokerId, probes, clock, timers },
      logger: this.#logger,
      listener: controlPlaneListener ?? interBrokerListener,
      sessionTimeoutMs: coordination.session?.timeoutMs ?? 1,
      onLossHinted: suspect => {
        const office = this.#office
        if (office?.lossWatch !== watch) return
        void this.#enqueue(() => this.#guard(office, () => watch.fence(suspect)))
      },
      onUncleanElectionDue: () => enqueue({ event: 'unclean-election-enabled', topic: null }),
    })
    return watch
  }

  #balanceAfter(office: Office, delayMs: number): void {
    const { leaderBalance, timers } = this.#options
    if (leaderBalance === undefined || office !== this.#office) return
    office.balanceTimer = timers.after(delayMs, () => {
      this.#enqueueEvent({ event: 'balance-due', percentage: leaderBalance.percentage }, office)
      this.#balanceAfter(office, leaderBalance.checkIntervalMs)
    })
  }

  #enqueueEvent(event: ControllerEvent, office: Office | null = this.#office): void {
    if (office === null) return
    void this.#enqueue(() => this.#guard(office, () => this.#decide(office, event)))
  }

  #enqueueChange(office: Office, change: Change): void {
    const subject = subjectOf(change)
    if (office.pendingChanges.has(subject)) return
    office.pendingChanges.add(subject)
    void this.#enqueue(() =>
      this.#guard(office, async () => {
        office.pendingChanges.delete(subject)
        await this.#onChange(office, change)
      }),
    )
  }

  /** Reads what changed, watching it again, and decides. */
  async #onChange(office: Office, change: Change): Promise<void> {
    const { watches, state, term } = office
    switch (change.change) {
      case 'brokers':
        return this.#decide(office, { event: 'brokers-changed', brokers: await watches.brokers() })
      case 'broker': {
        const broker = await watches.broker(change.brokerId)
        if (broker !== null) await this.#decide(office, { event: 'broker-modified', broker })
        return
      }
      case 'topics': {
        const names = new Set(await watches.topicNames())
        const unknown = [...names].filter(name => !state.topics.has(name))
        const added = await watches.topics(unknown, (name, topic) => this.#giveTopicId(term, name, topic))
        return this.#decide(office, { event: 'topics-changed', names, added })
      }
      case 'topic': {
        const topic = await watches.topic(change.topic)
        if (topic === null) return
        return this.#decide(office, {
          event: 'topic-modified',
          topic: change.topic,
          partitions: assignmentsOf(topic),
        })
      }
      case 'deletions':
        return this.#decide(office, { event: 'deletions-changed', topics: await watches.deletions() })
      case 'reassignments':
        return this.#decide(office, { event: 'reassignments-requested', requests: await watches.reassignments() })
      case 'elections': {
        const partitions = await watches.elections()
        if (partitions !== null) await this.#decide(office, { event: 'elections-requested', partitions })
        return
      }
      case 'log-dir-events': {
        const { names, brokerIds } = await watches.logDirEvents()
        if (names.length === 0) return
        await this.#decide(office, { event: 'log-folders-failed', brokerIds })
        const parent = logDirEventsZnode.path()
        return deleteZnodes(
          term,
          names.map(name => `${parent}/${name}`),
        )
      }
    }
  }

  async #decide(office: Office, event: ControllerEvent): Promise<void> {
    const { clock } = this.#options
    const fromMs = clock.monotonicMs()
    await this.#execute(office, plan(office.state, event))
    const ms = Math.round(clock.monotonicMs() - fromMs)
    if (ms >= slowEventMs) this.#logger.info('controller event took a while', { event: event.event, ms })
  }

  async #execute<Answer>(office: Office, steps: Plan<Answer>): Promise<Answer> {
    const { term, state, channels, lossWatch } = office
    const { uncleanByDefault } = this.#options
    const mayElectUncleanly = (): boolean => lossWatch?.mayElectUncleanly() ?? true
    const context = { term, state, channels, uncleanByDefault, mayElectUncleanly, logger: this.#logger }
    const answer = await executePlan(context, steps)
    lossWatch?.follow(state.brokers)
    return answer
  }

  /** Runs one event of a term: not at all when the term is over, and no further once it ends. */
  async #guard(office: Office, run: () => Promise<void>): Promise<void> {
    if (office !== this.#office || office.term.isOver) return
    try {
      await run()
    } catch (error) {
      if (office !== this.#office) return
      if (error instanceof ControllerMoved) {
        this.#resign('another controller was elected')
        this.#enqueueLook()
        return
      }
      // What it knows may be half changed: another controller starts from ZooKeeper alone.
      this.#logger.error('controller failed: it gives up its office', { error })
      const { term } = office
      this.#pauseThenLook()
      await this.#giveUp(term)
      this.#resign('it failed')
    }
  }

  async #giveUp(term: ControllerTerm): Promise<void> {
    try {
      await term.write([{ op: 'delete', path: controllerZnode.path(), version: AnyVersion }])
    } catch (error) {
      this.#logger.warn('/controller could not be deleted: it goes with the session', { error })
    }
  }

  #pauseThenLook(): void {
    if (this.#isStopped || this.#pause !== null) return
    this.#pause = this.#options.timers.after(pauseAfterFailureMs, () => {
      this.#pause = null
      this.#enqueueLook()
    })
  }

  #resign(why: string): void {
    const office = this.#office
    if (office === null) return
    this.#office = null
    office.term.end()
    office.channels.close()
    office.lossWatch?.close()
    office.balanceTimer?.cancel()
    this.#logger.info('resigned as controller', { controllerEpoch: office.term.controllerEpoch, why })
  }

  /** Topics made before KIP-516 have none: it is written down before anybody hears of it. */
  async #giveTopicId(term: ControllerTerm, name: string, topic: TopicAssignment): Promise<string> {
    const topicId = randomUuid(this.#options.random)
    const data = topicZnode.encode({ ...topic, topicId })
    for (;;) {
      try {
        await term.write([{ op: 'set', path: topicZnode.path(name), data, version: AnyVersion }])
        return topicId
      } catch (error) {
        if (isCoordinationError(error, 'NO_NODE')) return topicId
        if (!isCoordinationError(error, 'NOT_CONNECTED', 'UNKNOWN_OUTCOME')) throw error
      }
    }
  }
}

const refusal = (errorCode: number): ProducerIdsAnswer => ({ errorCode, firstProducerId: 0, count: 0 })
