import { ErrorCode } from '@millrace/protocol/errors'
import type { LeaderAndIsrRequest } from '@millrace/protocol/messages/04-leader-and-isr'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import { assert } from '@millrace/runtime/invariant'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import {
  checkControllerRequest,
  isHostable,
  judgeLeaderState,
  judgeStopReplica,
  ZERO_TOPIC_ID,
} from '../core/partition/controller-request-acceptance.ts'
import { DirectoryOffline } from '../log/log-errors.ts'
import type { LogDirectories } from '../log/log-directories.ts'
import type { MetadataCache, MetadataChange } from '../metadata/metadata-cache.ts'
import type { IsrProposals } from './isr-updater.ts'
import type { LeaderProof } from './leader-proof.ts'
import type { LogDirectoryMoves } from './log-directory-moves.ts'
import { Partition, type PartitionCluster, type PartitionState } from './partition.ts'
import type { Followers } from './replica-fetchers.ts'

/** What a broker that is not alone replicates with. */
export interface Replication {
  readonly followers: Followers
  readonly proposals: IsrProposals
  readonly proof: Pick<LeaderProof, 'mayLead'>
  /** `replica.lag.time.max.ms` */
  readonly lagTimeMaxMs: number
  /** `zookeeper.session.timeout.ms` */
  readonly sessionTimeoutMs: number
}

export interface PartitionsOptions {
  readonly brokerId: number
  readonly logs: LogDirectories
  readonly metadata: MetadataCache
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** czxid of our registration; -1 before the first. It changes with every session. */
  readonly brokerEpoch: () => number
  /** Without it every partition is led alone or stands still. */
  readonly replication?: Replication
  /** Without it replicas stay in the directory where they are. */
  readonly moves?: LogDirectoryMoves
}

export interface PartitionError {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly errorCode: ErrorCode
}

/** Row of a StopReplica request, whichever version it came in. */
export interface StoppedReplica {
  readonly topic: string
  readonly partition: number
  /** -1: no check; -2: the topic is being deleted. */
  readonly leaderEpoch: number
  readonly isDeletion: boolean
}

/**
 * Every partition that this broker hosts, and what the controller may do with them (reference 3.1). One event loop, and every
 * request is applied in one piece: that is Kafka's "replica state change lock".
 */
export class Partitions {
  private readonly options: PartitionsOptions
  private readonly logger: Logger
  private readonly byTopic = new Map<string, (Partition | undefined)[]>()
  private highestControllerEpoch = 0
  private appliedAny = false
  private readonly cluster: PartitionCluster | undefined
  private isLeaving = false
  private isStopped = false
  /** A LeaderAndIsr that is being applied, and its end. */
  private takingRoles: Promise<void> | null = null
  private lagCheck: Timer | null = null
  /** Of what is said of each partition. */
  private noteLevel: 'info' | 'debug' = 'info'
  private readonly roleListeners: (() => void)[] = []
  /** One for all partitions. */
  private readonly monotonicMs = (): number => this.options.clock.monotonicMs()

  constructor(options: PartitionsOptions) {
    this.options = options
    this.logger = options.logger
    const { replication } = options
    this.cluster = replication === undefined ? undefined : this.clusterOf(replication)
    options.metadata.onChange(change => this.onMetadataChange(change))
  }

  /** Looks for followers that stay behind, from now on. */
  start(): void {
    const { replication, timers } = this.options
    if (replication === undefined) return
    this.lagCheck = timers.every(replication.lagTimeMaxMs / 2, () => {
      for (const partition of this.all()) partition.checkInSyncReplicas()
    })
  }

  get brokerId(): number {
    return this.options.brokerId
  }

  /** Highest controller epoch that has spoken to this broker. */
  get controllerEpoch(): number {
    return this.highestControllerEpoch
  }

  /** Has a controller said anything of replicas yet? High watermarks are worth a checkpoint from then on. */
  get hasApplied(): boolean {
    return this.appliedAny
  }

  /** The partition as it is hosted here, whatever its role. */
  hosted(topic: string, partition: number): Partition | undefined {
    return this.byTopic.get(topic)?.[partition]
  }

  hostsTopic(topic: string): boolean {
    return this.byTopic.has(topic)
  }

  /** Those of `topic` that this broker leads, by number. */
  ledOf(topic: string): ReadonlyMap<number, Partition> {
    const led = (this.byTopic.get(topic) ?? []).filter(partition => partition?.isLeader === true)
    return new Map(led.map(partition => [partition!.partition, partition!]))
  }

  all(): Partition[] {
    return [...this.byTopic.values()].flatMap(partitions => partitions.filter(partition => partition !== undefined))
  }

  /**
   * The partition, if it can serve a request that believes in `leaderEpoch` (-1: in none) and, with `mustLead`, if we lead it.
   * Else the code to answer.
   */
  get(topic: string, partition: number, leaderEpoch: number, mustLead: boolean): Partition | ErrorCode {
    const found = this.byTopic.get(topic)?.[partition]
    if (found === undefined) return this.absence(topic, partition)
    const errorCode = found.check(leaderEpoch, mustLead)
    if (errorCode !== ErrorCode.NONE) return errorCode
    const { replication } = this.options
    if (found.isLeader && replication !== undefined && !replication.proof.mayLead(found)) {
      return ErrorCode.NOT_LEADER_OR_FOLLOWER
    }
    return found
  }

  leaderOf(topic: string, partition: number, leaderEpoch = -1): Partition | ErrorCode {
    return this.get(topic, partition, leaderEpoch, true)
  }

  /** May this controller still speak, to this life of the broker? Remembers its epoch if so. */
  admitController(brokerEpoch: number, controllerEpoch: number): ErrorCode {
    const errorCode = checkControllerRequest({
      requestBrokerEpoch: brokerEpoch,
      brokerEpoch: this.options.brokerEpoch(),
      requestControllerEpoch: controllerEpoch,
      highestControllerEpoch: this.highestControllerEpoch,
    })
    if (errorCode === ErrorCode.NONE) this.highestControllerEpoch = controllerEpoch
    else this.logger.warn('request of a stale controller refused', { errorCode, controllerEpoch, brokerEpoch })
    return errorCode
  }

  /**
   * One answer per partition of the request, in its order. Call `admitController` first. Over several turns where there are many partitions: each is by itself, and
   * those that have their role already serve. The controller sends nothing more before it has the answer; but another one may be elected meanwhile, or this broker
   * begin another life: then the rest is refused, as if it came later. Where the connection broke the same request comes again, and waits: were it answered first,
   * a StopReplica could follow, and what is left of the first would bring back what that deletes.
   */
  async applyLeaderAndIsr(request: LeaderAndIsrRequest): Promise<PartitionError[]> {
    let refusal: ErrorCode = ErrorCode.NONE
    while (this.takingRoles !== null) {
      await this.takingRoles
      refusal = this.admitController(request.brokerEpoch, request.controllerEpoch)
    }
    const done = this.applyInTurns(request, refusal)
    const settled = done.then(
      () => {},
      () => {},
    )
    this.takingRoles = settled
    void settled.then(() => (this.takingRoles = null))
    return done
  }

  private async applyInTurns(request: LeaderAndIsrRequest, admission: ErrorCode): Promise<PartitionError[]> {
    const { clock, timers } = this.options
    const errors: PartitionError[] = []
    let refusal = admission
    const fromMs = clock.monotonicMs()
    let endMs = fromMs + turnMs
    for (const state of this.statesOf(request)) {
      if (clock.monotonicMs() >= endMs) {
        this.rolesChanged()
        await new Promise<void>(resolve => timers.soon(resolve))
        endMs = clock.monotonicMs() + turnMs
        const { brokerEpoch, controllerEpoch } = request
        if (refusal === ErrorCode.NONE) refusal = this.admitController(brokerEpoch, controllerEpoch)
      }
      if (refusal === ErrorCode.NONE && this.isStopped) refusal = ErrorCode.STALE_BROKER_EPOCH
      const { topic, topicId, requested } = state
      const refused = { topic, topicId, partition: requested.partitionIndex, errorCode: refusal }
      errors.push(refusal === ErrorCode.NONE ? this.applyRow(state, request.brokerEpoch) : refused)
    }
    this.rolesChanged()
    const ms = Math.round(clock.monotonicMs() - fromMs)
    if (errors.length > notedOneByOne) this.logger.info('took roles in many partitions', { count: errors.length, ms })
    return errors
  }

  /** One answer per replica, in the given order. Call `admitController` first. */
  applyStopReplica(replicas: readonly StoppedReplica[]): PartitionError[] {
    const errors = replicas.map(replica => {
      const { topic, partition } = replica
      const errorCode = this.stopReplica(replica)
      return { topic, topicId: ZERO_TOPIC_ID, partition, errorCode }
    })
    this.rolesChanged()
    return errors
  }

  /** The replica, or one that is created here later, is to be in this directory of log.dirs (KIP-113). */
  alterLogDirectory(topic: string, partition: number, directory: string): ErrorCode {
    const { moves, metadata } = this.options
    assert(moves !== undefined, 'a broker that is asked can move replicas')
    const hosted = this.hosted(topic, partition)
    const isPartitionKnown = metadata.hasPartition(topic, partition)
    return moves.alter({ topic, partition, directory, hosted, isPartitionKnown })
  }

  /** Calls `listener` whenever this broker may have begun or ceased to lead: coordinators go where their partition goes. */
  onRolesChanged(listener: () => void): void {
    this.roleListeners.push(listener)
  }

  /** The broker registered under a new epoch: what its former life was told to lead may be led by others. */
  onRegistered(brokerEpoch: number): void {
    const led = this.all().filter(({ isLeader, ordersBrokerEpoch: of }) => isLeader && of >= 0 && of < brokerEpoch)
    for (const partition of led) partition.standDown()
    const count = led.length
    if (count > 0) this.logger.warn('leads less until the controller says so: registered anew', { brokerEpoch, count })
    this.rolesChanged()
  }

  /** Another leader may be elected any moment: nothing is answered as leader until a controller has spoken again. */
  stepDown(): void {
    for (const partition of this.all()) partition.standDown()
    this.rolesChanged()
  }

  /** Everybody who waits for a partition is answered: the broker goes. */
  stop(): void {
    this.isStopped = true
    this.lagCheck?.cancel()
    this.lagCheck = null
    this.options.moves?.close()
    for (const partition of this.all()) partition.close(ErrorCode.NOT_LEADER_OR_FOLLOWER)
  }

  private statesOf({ topicStates, ungroupedPartitionStates }: LeaderAndIsrRequest): StateRow[] {
    this.appliedAny = true
    const states: StateRow[] = []
    for (const { topicName: topic, topicId, partitionStates } of topicStates) {
      for (const requested of partitionStates) states.push({ topic, topicId, requested })
    }
    for (const requested of ungroupedPartitionStates) {
      states.push({ topic: requested.topicName, topicId: ZERO_TOPIC_ID, requested })
    }
    const count = states.length
    // One line each is for people; ten thousand of them are for nobody, and take a second of a broker that has to take over.
    this.noteLevel = count > notedOneByOne ? 'debug' : 'info'
    return states
  }

  private applyRow({ topic, topicId, requested }: StateRow, brokerEpoch: number): PartitionError {
    const errorCode = this.applyState(topic, topicId, requested, brokerEpoch)
    return { topic, topicId, partition: requested.partitionIndex, errorCode }
  }

  private rolesChanged(): void {
    for (const listener of this.roleListeners) listener()
  }

  private applyState(topic: string, topicId: string, requested: RequestedState, brokerEpoch: number): ErrorCode {
    const { partitionIndex } = requested
    const { brokerId } = this.options
    if (!isHostable(topic, partitionIndex)) return ErrorCode.INVALID_TOPIC_EXCEPTION
    const known = this.hosted(topic, partitionIndex)
    const log = this.options.logs.get(topic, partitionIndex)
    const verdict = judgeLeaderState({
      isOffline: known?.isOffline ?? log?.isOffline ?? false,
      hasLog: log !== undefined,
      localTopicId: log?.topicId ?? null,
      requestTopicId: topicId,
      currentLeaderEpoch: known?.appliedEpoch ?? -1,
      requestLeaderEpoch: requested.leaderEpoch,
      isReplica: requested.replicas.includes(brokerId),
    })
    try {
      if (verdict === 'assign-topic-id') {
        log?.assignTopicId(topicId)
        return ErrorCode.NONE
      }
      if (verdict !== 'apply') return verdict
      this.become(topic, topicId, { ...requested, brokerEpoch }, known)
      return ErrorCode.NONE
    } catch (error) {
      if (!(error instanceof FileSystemError) && !(error instanceof DirectoryOffline)) throw error
      this.logger.error('replica cannot be used, its disk failed', { topic, partition: partitionIndex, error })
      // Offline until the broker starts again, so that nobody takes it for a partition that is elsewhere.
      const offline = known ?? this.newPartition(topic, partitionIndex)
      if (known === undefined) this.host(offline)
      this.options.replication?.followers.unfollow(offline)
      offline.close(ErrorCode.KAFKA_STORAGE_ERROR)
      return ErrorCode.KAFKA_STORAGE_ERROR
    }
  }

  private newPartition(topic: string, partition: number): Partition {
    const { brokerId } = this.options
    const { cluster } = this
    return new Partition({
      brokerId,
      topic,
      partition,
      monotonicMs: this.monotonicMs,
      ...(cluster && { cluster }),
    })
  }

  /**
   * The broker asks to be relieved of what it leads, and stops then: it follows nobody anew. Else the next leader would take it into
   * the ISR again, just before it is gone.
   */
  leave(): void {
    this.isLeaving = true
  }

  private become(
    topic: string,
    topicId: string,
    requested: RequestedState & { readonly brokerEpoch: number },
    known: Partition | undefined,
  ): void {
    const { brokerId, logs, replication, moves } = this.options
    const partition = requested.partitionIndex
    const state: PartitionState = {
      controllerEpoch: requested.controllerEpoch,
      leader: requested.leader,
      leaderEpoch: requested.leaderEpoch,
      partitionEpoch: requested.partitionEpoch,
      // When a reassignment ends, Kafka's controller still names members that the new assignment does not.
      inSyncReplicas: requested.isr.filter(id => requested.replicas.includes(id)),
      replicas: requested.replicas,
      brokerEpoch: requested.brokerEpoch,
    }
    const id = topicId === ZERO_TOPIC_ID ? null : topicId
    const log = logs.create({ topic, partition, topicId: id, isNew: requested.isNew })
    if (id !== null && log.topicId === null) log.assignTopicId(id)
    const hosted = known ?? this.newPartition(topic, partition)
    if (known === undefined) this.host(hosted)
    // A late message changes nothing, and its follower goes on.
    if (state.partitionEpoch < hosted.partitionEpoch) return
    replication?.followers.unfollow(hosted)
    if (requested.leader === brokerId) {
      const isNewLeader = hosted.becomeLeader(state, log)
      const { leaderEpoch, inSyncReplicas } = state
      if (isNewLeader) this.logger[this.noteLevel]('leads partition', { topic, partition, leaderEpoch, inSyncReplicas })
    } else {
      const { leader, leaderEpoch } = state
      if (hosted.becomeFollower(state, log))
        this.logger[this.noteLevel]('follows', { topic, partition, leader, leaderEpoch })
      if (!this.isLeaving) replication?.followers.follow(hosted)
    }
    moves?.resume(hosted)
  }

  private stopReplica({ topic, partition, leaderEpoch, isDeletion }: StoppedReplica): ErrorCode {
    const { logs } = this.options
    const known = this.hosted(topic, partition)
    const log = logs.get(topic, partition)
    const errorCode = judgeStopReplica({
      isOffline: known?.isOffline ?? log?.isOffline ?? false,
      isHosted: known !== undefined,
      currentLeaderEpoch: known?.leaderEpoch ?? -1,
      requestLeaderEpoch: leaderEpoch,
    })
    if (errorCode !== ErrorCode.NONE) return errorCode
    if (known !== undefined) {
      this.options.replication?.followers.unfollow(known)
      this.options.moves?.stop(known)
    }
    if (!isDeletion) return errorCode
    // What waits may have been written, and be with those who have the partition now.
    known?.close(this.absence(topic, partition))
    this.unhost(topic, partition)
    try {
      if (log !== undefined) logs.delete(topic, partition)
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error
      this.logger.error('replica cannot be deleted, its disk failed', { topic, partition, error })
      return ErrorCode.KAFKA_STORAGE_ERROR
    }
    this.logger.info('replica deleted', { topic, partition })
    return ErrorCode.NONE
  }

  /** Of a partition that has no replica here: is it anywhere? */
  private absence(topic: string, partition: number): ErrorCode {
    const isKnown = this.options.metadata.hasPartition(topic, partition)
    return isKnown ? ErrorCode.NOT_LEADER_OR_FOLLOWER : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  }

  private clusterOf(replication: Replication): PartitionCluster {
    const { metadata, brokerEpoch } = this.options
    const { followers, proposals, lagTimeMaxMs, sessionTimeoutMs } = replication
    return {
      // A broker in controlled shutdown is up, but its replicas count as offline: the controller lets it into no ISR (KIP-841),
      // and a proposal that it refuses after one that got no answer holds the high watermark for a session timeout.
      isBrokerAlive: (id, { topic, partition }) =>
        metadata.isAlive(id) && metadata.partition(topic, partition)?.offlineReplicas.includes(id) !== true,
      brokerEpoch,
      replicaLagTimeMaxMs: () => lagTimeMaxMs,
      requiresBrokerEpoch: true,
      attemptLifetimeMs: sessionTimeoutMs,
      inSyncReplicasProposed: (partition, proposal) => proposals.propose(partition, proposal),
      logFailed: partition => followers.unfollow(partition),
    }
  }

  private onMetadataChange({ topics }: MetadataChange): void {
    for (const topic of topics) {
      for (const partition of this.byTopic.get(topic) ?? []) {
        const told =
          partition?.isLeader === true ? this.options.metadata.partition(topic, partition.partition) : undefined
        if (told !== undefined) partition?.onTruth(told)
      }
    }
  }

  private host(partition: Partition): void {
    const partitions = this.byTopic.get(partition.topic)
    if (partitions === undefined) {
      const fresh: (Partition | undefined)[] = []
      fresh[partition.partition] = partition
      this.byTopic.set(partition.topic, fresh)
    } else partitions[partition.partition] = partition
  }

  private unhost(topic: string, partition: number): void {
    const partitions = this.byTopic.get(topic)
    if (partitions === undefined) return
    partitions[partition] = undefined
    if (partitions.every(each => each === undefined)) this.byTopic.delete(topic)
  }
}

/** Partitions of one LeaderAndIsr request. */
const notedOneByOne = 200
/** So long clients wait at a time while this broker takes over many partitions. */
const turnMs = 10

interface StateRow {
  readonly topic: string
  readonly topicId: string
  readonly requested: RequestedState
}
type RequestedState = LeaderAndIsrRequest['ungroupedPartitionStates'][number]
