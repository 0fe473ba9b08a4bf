import type { TopicSettings } from '@millrace/broker/settings/topic-settings'

/** Kafka's defaults, and what a test changes of them. */
export function topicSettings(changes: Partial<TopicSettings> = {}): TopicSettings {
  const forever = Number.MAX_SAFE_INTEGER
  return {
    segmentBytes: 1024 * 1024 * 1024,
    segmentMs: 604_800_000,
    segmentJitterMs: 0,
    segmentIndexBytes: 10 * 1024 * 1024,
    indexIntervalBytes: 4096,
    retentionMs: 604_800_000,
    retentionBytes: -1,
    cleanupPolicy: { delete: true, compact: false },
    maxMessageBytes: 1_048_588,
    compressionType: 'producer',
    gzipLevel: -1,
    lz4Level: 9,
    zstdLevel: 3,
    messageTimestampType: 'CreateTime',
    messageTimestampBeforeMaxMs: forever,
    messageTimestampAfterMaxMs: forever,
    messageDownconversion: true,
    minInSyncReplicas: 1,
    uncleanLeaderElection: false,
    flushMessages: forever,
    flushMs: forever,
    fileDeleteDelayMs: 60_000,
    deleteRetentionMs: 86_400_000,
    minCompactionLagMs: 0,
    maxCompactionLagMs: forever,
    minCleanableDirtyRatio: 0.5,
    preallocate: false,
    leaderThrottledReplicas: [],
    followerThrottledReplicas: [],
    ...changes,
  }
}
