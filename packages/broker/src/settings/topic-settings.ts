import type { BrokerSettings } from './broker-settings.ts'
import { parseTopicOverrides } from './topic-overrides.ts'
import {
  logFlushMs,
  logRetentionMs,
  logRollJitterMs,
  logRollMs,
  timestampAfterMaxMs,
  timestampBeforeMaxMs,
} from './derived.ts'

/** How a partition log and its leader behave: what `effectiveTopicSettings` makes of the topic's own values and the broker's. */
export interface TopicSettings {
  /** Largest segment file. */
  readonly segmentBytes: number
  /** Oldest age, by record timestamps, at which the active segment still takes records. */
  readonly segmentMs: number
  /** Upper end of the random time taken off `segmentMs` per segment. */
  readonly segmentJitterMs: number
  /** Room for the offset index and for the time index; each rounds it down to whole entries. */
  readonly segmentIndexBytes: number
  /** Bytes of log between two entries of an index. */
  readonly indexIntervalBytes: number
  /** -1: without end. */
  readonly retentionMs: number
  /** Per partition; -1 (any negative): without end. */
  readonly retentionBytes: number
  readonly cleanupPolicy: CleanupPolicy
  /** Largest record batch, its header included. */
  readonly maxMessageBytes: number
  readonly compressionType: CompressionType
  /** 1 to 9, or -1 for the library's own default. */
  readonly gzipLevel: number
  readonly lz4Level: number
  readonly zstdLevel: number
  readonly messageTimestampType: TimestampType
  /** A record with CreateTime may be at most this much older than now. */
  readonly messageTimestampBeforeMaxMs: number
  /** A record with CreateTime may be at most this much ahead of now. */
  readonly messageTimestampAfterMaxMs: number
  readonly messageDownconversion: boolean
  readonly minInSyncReplicas: number
  readonly uncleanLeaderElection: boolean
  /** Records between two forced flushes; MAX_SAFE_INTEGER: never by count. */
  readonly flushMessages: number
  /** Milliseconds between two forced flushes; MAX_SAFE_INTEGER: never by time. */
  readonly flushMs: number
  /** Between the renaming of a file to `.deleted` and its removal. */
  readonly fileDeleteDelayMs: number
  /** How long tombstones and transaction markers outlive their first cleaning. */
  readonly deleteRetentionMs: number
  readonly minCompactionLagMs: number
  readonly maxCompactionLagMs: number
  readonly minCleanableDirtyRatio: number
  /** Reserve the whole segment when it is created. */
  readonly preallocate: boolean
  readonly leaderThrottledReplicas: ThrottledReplicas
  readonly followerThrottledReplicas: ThrottledReplicas
}

/** Both may be true; both are false for an empty list, which keeps everything. */
export interface CleanupPolicy {
  readonly delete: boolean
  readonly compact: boolean
}

/** `producer` keeps the codec that the batch came with. */
export type CompressionType = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
export type TimestampType = 'CreateTime' | 'LogAppendTime'
/** Every replica, or those listed; nobody for the empty list. */
export type ThrottledReplicas = 'all' | readonly { readonly partition: number; readonly brokerId: number }[]

/** The topic's own values over the broker's, which fill in. `overrides` has passed `parseTopicOverrides` when it was written; a value that no longer parses is left out. */
export function effectiveTopicSettings(overrides: ReadonlyMap<string, string>, broker: BrokerSettings): TopicSettings {
  const own = parseTopicOverrides(overrides).values
  const policy = own['cleanup.policy'] ?? broker.get('log.cleanup.policy')
  return {
    segmentBytes: own['segment.bytes'] ?? broker.get('log.segment.bytes'),
    segmentMs: own['segment.ms'] ?? logRollMs(broker),
    segmentJitterMs: own['segment.jitter.ms'] ?? logRollJitterMs(broker),
    segmentIndexBytes: own['segment.index.bytes'] ?? broker.get('log.index.size.max.bytes'),
    indexIntervalBytes: own['index.interval.bytes'] ?? broker.get('log.index.interval.bytes'),
    retentionMs: own['retention.ms'] ?? logRetentionMs(broker),
    retentionBytes: own['retention.bytes'] ?? broker.get('log.retention.bytes'),
    cleanupPolicy: { delete: policy.includes('delete'), compact: policy.includes('compact') },
    maxMessageBytes: own['max.message.bytes'] ?? broker.get('message.max.bytes'),
    compressionType: (own['compression.type'] ?? broker.get('compression.type')) as CompressionType,
    gzipLevel: own['compression.gzip.level'] ?? broker.get('compression.gzip.level'),
    lz4Level: own['compression.lz4.level'] ?? broker.get('compression.lz4.level'),
    zstdLevel: own['compression.zstd.level'] ?? broker.get('compression.zstd.level'),
    messageTimestampType: (own['message.timestamp.type'] ?? broker.get('log.message.timestamp.type')) as TimestampType,
    messageTimestampBeforeMaxMs: timestampBeforeMaxMs(own, broker),
    messageTimestampAfterMaxMs: timestampAfterMaxMs(own, broker),
    messageDownconversion: own['message.downconversion.enable'] ?? broker.get('log.message.downconversion.enable'),
    minInSyncReplicas: own['min.insync.replicas'] ?? broker.get('min.insync.replicas'),
    uncleanLeaderElection: own['unclean.leader.election.enable'] ?? broker.get('unclean.leader.election.enable'),
    flushMessages: own['flush.messages'] ?? broker.get('log.flush.interval.messages'),
    flushMs: own['flush.ms'] ?? logFlushMs(broker),
    fileDeleteDelayMs: own['file.delete.delay.ms'] ?? broker.get('log.segment.delete.delay.ms'),
    deleteRetentionMs: own['delete.retention.ms'] ?? broker.get('log.cleaner.delete.retention.ms'),
    minCompactionLagMs: own['min.compaction.lag.ms'] ?? broker.get('log.cleaner.min.compaction.lag.ms'),
    maxCompactionLagMs: own['max.compaction.lag.ms'] ?? broker.get('log.cleaner.max.compaction.lag.ms'),
    minCleanableDirtyRatio: own['min.cleanable.dirty.ratio'] ?? broker.get('log.cleaner.min.cleanable.ratio'),
    preallocate: own['preallocate'] ?? broker.get('log.preallocate'),
    leaderThrottledReplicas: throttledReplicas(own['leader.replication.throttled.replicas'] ?? []),
    followerThrottledReplicas: throttledReplicas(own['follower.replication.throttled.replicas'] ?? []),
  }
}

function throttledReplicas(list: readonly string[]): ThrottledReplicas {
  if (list.length === 1 && list[0] === '*') return 'all'
  return list.map(pair => {
    const [partition, brokerId] = pair.split(':')
    return { partition: Number(partition), brokerId: Number(brokerId) }
  })
}
