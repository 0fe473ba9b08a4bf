import { knownCodecName } from '@millrace/protocol/compression/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { coordinatorPartition } from '@millrace/protocol/java-hash'
import type { Deadlines } from '@millrace/runtime/deadline'
import type { Logger } from '@millrace/runtime/logger'
import type { Clock, Timer, Timers } from '@millrace/runtime/ports'
import type { OffsetRecord, TopicPartition } from '../core/groups/entries.ts'
import type { Group } from '../core/groups/group.ts'
import type { CommittedOffset, OffsetCommitRequest } from '../core/groups/group-offsets.ts'
import {
  joinRefused,
  syncRefused,
  type DeletionReply,
  type GroupSettings,
  type HeartbeatRequest,
  type JoinReply,
  type JoinRequest,
  type MemberIdentity,
  type OffsetCommitReply,
  type SyncReply,
  type SyncRequest,
} from '../core/groups/group-requests.ts'
import { GroupShard } from '../core/groups/group-shard.ts'
import type { MetadataCache, MetadataChange } from '../metadata/metadata-cache.ts'
import type { Acks } from '../replication/partition.ts'
import type { Partitions } from '../replication/partitions.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'
import { GroupHost } from './group-host.ts'
import { groupRecordFormat } from './group-records.ts'
import { LoadTurns } from './load-turns.ts'
import { ShardRuntime } from './shard-runtime.ts'

export interface GroupCoordinatorOptions {
  /** `__consumer_offsets` */
  readonly topic: string
  readonly partitions: Partitions
  readonly metadata: MetadataCache
  readonly settings: BrokerSettings
  readonly clock: Clock
  readonly timers: Timers
  readonly deadlines: Deadlines
  readonly logger: Logger
}

/** Groups and members that get ready in one turn after a load: some milliseconds, as the slices of the load before. */
const loadedPerTurn = 2000

/**
 * The groups that this broker coordinates: those whose partition of __consumer_offsets it leads. Comes and goes with that leadership.
 * What cannot be served here is answered with the code that sends the client elsewhere or lets it wait. `onReply` runs once, maybe before
 * the call returns.
 */
export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #hosts = new Map<number, GroupHost>()
  readonly #settings: GroupSettings
  readonly #loadTurns: LoadTurns
  #partitionCount = 0
  #expiry: Timer | null = null
  #removeListener: (() => void) | null = null
  #isStopped = false

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
    this.#settings = groupSettings(options.settings)
    this.#loadTurns = new LoadTurns(options.timers)
  }

  start(): void {
    const { partitions, metadata, timers, settings } = this.#options
    partitions.onRolesChanged(() => this.#reconcile())
    this.#removeListener = metadata.onChange(change => this.#onMetadataChange(change))
    this.#expiry = timers.every(settings.get('offsets.retention.check.interval.ms'), () => this.expireOffsets())
    this.#reconcile()
  }

  /** Everybody who waits is answered NOT_COORDINATOR. */
  stop(): void {
    this.#isStopped = true
    this.#expiry?.cancel()
    this.#removeListener?.()
    for (const index of [...this.#hosts.keys()]) this.#unload(index)
  }

  /** Partition of __consumer_offsets that holds the group; fixed as soon as the topic is known. */
  partitionOf(groupId: string): number {
    const { metadata, settings } = this.#options
    if (this.#partitionCount === 0) this.#partitionCount = metadata.partitionCount(this.#options.topic)
    return coordinatorPartition(groupId, this.#partitionCount || settings.get('offsets.topic.num.partitions'))
  }

  join(request: JoinRequest, onReply: (reply: JoinReply) => void): void {
    const host = this.#hostOf(request.groupId)
    if (typeof host === 'number') onReply(joinRefused(host, request.memberId))
    else host.park((shard, token, now) => shard.join(request, token, now), onReply)
  }

  sync(request: SyncRequest, onReply: (reply: SyncReply) => void): void {
    const host = this.#hostOf(request.groupId)
    // Clients of old do not know that a coordinator loads: they join again.
    if (host === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) onReply(syncRefused(ErrorCode.REBALANCE_IN_PROGRESS))
    else if (typeof host === 'number') onReply(syncRefused(host))
    else host.park((shard, token, now) => shard.sync(request, token, now), onReply)
  }

  heartbeat(request: HeartbeatRequest): ErrorCode {
    const host = this.#hostOf(request.groupId)
    // Nothing is known of the member yet, so nothing is wrong with it.
    if (host === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) return ErrorCode.NONE
    if (typeof host === 'number') return host
    return host.run((shard, now) => shard.heartbeat(request, now))
  }

  leave(groupId: string, members: readonly MemberIdentity[]): ErrorCode | ErrorCode[] {
    const host = this.#hostOf(groupId)
    if (typeof host === 'number') return host
    return host.run((shard, now) => shard.leave(groupId, members, now))
  }

  commitOffsets(request: OffsetCommitRequest, onReply: (reply: OffsetCommitReply) => void): void {
    const host = this.#hostOf(request.groupId, 'may be empty')
    if (typeof host === 'number') onReply({ errorCode: host, isRefused: true })
    else host.park((shard, token, now) => shard.commitOffsets(request, token, now), onReply)
  }

  /** Of one group, a reader of its offsets; or why there is none. */
  offsetsOf(groupId: string): GroupOffsets | ErrorCode {
    const host = this.#hostOf(groupId, 'may be empty')
    if (typeof host === 'number') return host
    const { shard } = host
    return {
      get: (topic, partition) => shard.offset(groupId, topic, partition),
      isUnstable: (topic, partition) => shard.isUnstable(groupId, topic, partition),
      all: () => {
        const group = shard.groups.get(groupId)
        if (group === undefined || group.is('Dead')) return []
        return [...group.offsets].flatMap(([topic, offsets]) =>
          [...offsets].map(([partition, value]) => ({ topic, partition, value })),
        )
      },
    }
  }

  /** Undefined: no such group. */
  describe(groupId: string): Group | ErrorCode | undefined {
    const host = this.#hostOf(groupId, 'may be empty')
    return typeof host === 'number' ? host : host.shard.groups.get(groupId)
  }

  /** Those that are loaded; `isComplete` says whether that is all. */
  list(): { readonly groups: readonly Group[]; readonly isComplete: boolean } {
    const groups: Group[] = []
    let isComplete = true
    for (const { runtime, shard } of this.#hosts.values()) {
      if (runtime.phase === 'loading') isComplete = false
      else for (const group of shard.groups.values()) groups.push(group)
    }
    return { groups, isComplete }
  }

  async deleteGroup(groupId: string): Promise<ErrorCode> {
    const host = this.#hostOf(groupId, 'may be empty')
    if (typeof host === 'number') return host
    const reply = await host.ask<DeletionReply>((shard, token, now) => shard.deleteGroup(groupId, token, now))
    return reply.errorCode
  }

  /** A code for the whole group, or the topics that a member reads: those offsets stay. */
  async deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<ErrorCode | ReadonlySet<string>> {
    const host = this.#hostOf(groupId)
    if (typeof host === 'number') return host
    let read: ReadonlySet<string> = new Set()
    const reply = await host.ask<DeletionReply>((shard, token, now) => {
      read = shard.deleteOffsets(groupId, partitions, token, now)
    })
    return reply.errorCode === ErrorCode.NONE ? read : reply.errorCode
  }

  expireOffsets(): void {
    for (const host of this.#hosts.values()) {
      if (host.runtime.phase === 'active') host.run((shard, now) => shard.expireOffsets(now))
    }
  }

  #hostOf(groupId: string, emptyId: 'may be empty' | 'is refused' = 'is refused'): GroupHost | ErrorCode {
    if (this.#isStopped) return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if (groupId === '' && emptyId === 'is refused') return ErrorCode.INVALID_GROUP_ID
    const index = this.partitionOf(groupId)
    const host = this.#hosts.get(index)
    // Asked of the partition too, which knows first when another broker may lead.
    if (host === undefined) return ErrorCode.NOT_COORDINATOR
    if (typeof this.#options.partitions.leaderOf(this.#options.topic, index) === 'number') {
      return ErrorCode.NOT_COORDINATOR
    }
    if (host.runtime.phase === 'loading') return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    return host.runtime.phase === 'active' ? host : ErrorCode.NOT_COORDINATOR
  }

  /** What we lead is loaded, what we do not lead any more is given up. */
  #reconcile(): void {
    if (this.#isStopped) return
    const { partitions } = this.#options
    const led = partitions.ledOf(this.#options.topic)
    for (const [index, host] of this.#hosts) {
      if (led.get(index) !== host.runtime.partition) this.#unload(index)
    }
    for (const [index, partition] of led) {
      if (this.#hosts.has(index)) continue
      const { clock, deadlines, logger, settings } = this.#options
      const shard = new GroupShard(this.#settings)
      const host = new GroupHost({ shard, clock, deadlines })
      const runtime = new ShardRuntime({
        ...{ partition, clock, deadlines, logger },
        loadTurns: this.#loadTurns,
        format: groupRecordFormat,
        codec: knownCodecName(settings.get('offsets.topic.compression.codec')),
        acks: settings.get('offsets.commit.required.acks') as Acks,
        writeTimeoutMs: settings.get('offsets.commit.timeout.ms'),
        sliceBytes: settings.get('offsets.load.buffer.size'),
        replay: (entry, wallMs) => shard.replay(entry, wallMs),
        replayInTransaction: (producerId, entry, wallMs) => shard.replayInTransaction(producerId, entry, wallMs),
        endTransaction: (producerId, outcome, wallMs) => shard.endTransaction(producerId, outcome, wallMs),
        finishLoading: () => host.run((_, now) => shard.onLoaded(now, loadedPerTurn)),
      })
      host.attach(runtime)
      this.#hosts.set(index, host)
      void this.#load(index, host)
    }
  }

  async #load(index: number, host: GroupHost): Promise<void> {
    const { logger, clock } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      if (!(await host.runtime.load())) return
      const groups = host.shard.groups.size
      const loadMs = Math.round(clock.monotonicMs() - startedMs)
      if (groups > 0) logger.info('groups loaded', { partition: index, groups, loadMs })
    } catch (error) {
      const reason = error instanceof Error ? error.stack : String(error)
      logger.error('groups cannot be loaded, their clients will not find a coordinator', { partition: index, reason })
      host.resign(ErrorCode.NOT_COORDINATOR)
    }
  }

  #unload(index: number): void {
    const host = this.#hosts.get(index)
    this.#hosts.delete(index)
    host?.resign(ErrorCode.NOT_COORDINATOR)
    this.#options.logger.debug('groups given up', { partition: index })
  }

  #onMetadataChange({ removedPartitions }: MetadataChange): void {
    const gone = removedPartitions.filter(({ topic }) => topic !== this.#options.topic)
    if (gone.length === 0) return
    for (const host of this.#hosts.values()) {
      if (host.runtime.phase === 'active') host.run((shard, now) => shard.onPartitionsDeleted(gone, now))
    }
  }
}

export interface GroupOffsets {
  get(topic: string, partition: number): OffsetRecord | undefined
  isUnstable(topic: string, partition: number): boolean
  all(): CommittedOffset[]
}

function groupSettings(settings: BrokerSettings): GroupSettings {
  return {
    minSessionTimeoutMs: settings.get('group.min.session.timeout.ms'),
    maxSessionTimeoutMs: settings.get('group.max.session.timeout.ms'),
    initialRebalanceDelayMs: settings.get('group.initial.rebalance.delay.ms'),
    maxSize: settings.get('group.max.size'),
    offsetMetadataMaxBytes: settings.get('offset.metadata.max.bytes'),
    offsetsRetentionMs: settings.get('offsets.retention.minutes') * 60_000,
  }
}
