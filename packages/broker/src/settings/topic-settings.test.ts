import { expect, test } from '@jest/globals'
import { parseBrokerSettings } from './parse.ts'
import { InvalidTopicConfig, validateTopicOverrides } from './topic-overrides.ts'
import { effectiveTopicSettings, type TopicSettings } from './topic-settings.ts'

const effective = (topic: Record<string, string>, broker: Record<string, string> = {}): TopicSettings =>
  effectiveTopicSettings(
    new Map(Object.entries(topic)),
    parseBrokerSettings(new Map(Object.entries({ 'zookeeper.connect': 'z', ...broker }))).settings,
  )

// One line per setting: what the topic says, the broker setting behind it, and where both arrive.
test.each<[string, string, string, string, keyof TopicSettings, unknown, unknown]>([
  ['segment.bytes', '100', 'log.segment.bytes', '200', 'segmentBytes', 100, 200],
  ['segment.ms', '1', 'log.roll.hours', '1', 'segmentMs', 1, 3_600_000],
  ['segment.jitter.ms', '1', 'log.roll.jitter.ms', '2', 'segmentJitterMs', 1, 2],
  ['segment.index.bytes', '12', 'log.index.size.max.bytes', '24', 'segmentIndexBytes', 12, 24],
  ['index.interval.bytes', '1', 'log.index.interval.bytes', '2', 'indexIntervalBytes', 1, 2],
  ['retention.ms', '-1', 'log.retention.minutes', '1', 'retentionMs', -1, 60_000],
  ['retention.bytes', '5', 'log.retention.bytes', '6', 'retentionBytes', 5, 6],
  ['max.message.bytes', '5', 'message.max.bytes', '6', 'maxMessageBytes', 5, 6],
  ['compression.type', 'zstd', 'compression.type', 'gzip', 'compressionType', 'zstd', 'gzip'],
  ['compression.gzip.level', '1', 'compression.gzip.level', '2', 'gzipLevel', 1, 2],
  ['compression.lz4.level', '1', 'compression.lz4.level', '2', 'lz4Level', 1, 2],
  ['compression.zstd.level', '-1', 'compression.zstd.level', '2', 'zstdLevel', -1, 2],
  [
    'message.timestamp.type',
    'LogAppendTime',
    'log.message.timestamp.type',
    'LogAppendTime',
    'messageTimestampType',
    'LogAppendTime',
    'LogAppendTime',
  ],
  [
    'message.timestamp.before.max.ms',
    '1',
    'log.message.timestamp.before.max.ms',
    '2',
    'messageTimestampBeforeMaxMs',
    1,
    2,
  ],
  [
    'message.timestamp.after.max.ms',
    '1',
    'log.message.timestamp.difference.max.ms',
    '2',
    'messageTimestampAfterMaxMs',
    1,
    2,
  ],
  [
    'message.downconversion.enable',
    'true',
    'log.message.downconversion.enable',
    'false',
    'messageDownconversion',
    true,
    false,
  ],
  ['min.insync.replicas', '2', 'min.insync.replicas', '3', 'minInSyncReplicas', 2, 3],
  [
    'unclean.leader.election.enable',
    'false',
    'unclean.leader.election.enable',
    'true',
    'uncleanLeaderElection',
    false,
    true,
  ],
  ['flush.messages', '1', 'log.flush.interval.messages', '2', 'flushMessages', 1, 2],
  ['flush.ms', '1', 'log.flush.scheduler.interval.ms', '2', 'flushMs', 1, 2],
  ['file.delete.delay.ms', '1', 'log.segment.delete.delay.ms', '2', 'fileDeleteDelayMs', 1, 2],
  ['delete.retention.ms', '1', 'log.cleaner.delete.retention.ms', '2', 'deleteRetentionMs', 1, 2],
  ['min.compaction.lag.ms', '1', 'log.cleaner.min.compaction.lag.ms', '2', 'minCompactionLagMs', 1, 2],
  ['max.compaction.lag.ms', '1', 'log.cleaner.max.compaction.lag.ms', '2', 'maxCompactionLagMs', 1, 2],
  ['min.cleanable.dirty.ratio', '0.1', 'log.cleaner.min.cleanable.ratio', '0.2', 'minCleanableDirtyRatio', 0.1, 0.2],
  ['preallocate', 'false', 'log.preallocate', 'true', 'preallocate', false, true],
])('topic settings: %s=%s over %s=%s', (name, text, brokerName, brokerText, property, own, fromBroker) => {
  const broker = { [brokerName]: brokerText }
  expect(effective({ [name]: text }, broker)[property]).toEqual(own)
  expect(effective({}, broker)[property]).toEqual(fromBroker)
})

test('topic settings: cleanup.policy: both, one or neither', () => {
  expect(effective({ 'cleanup.policy': 'compact, delete' }).cleanupPolicy).toEqual({ delete: true, compact: true })
  expect(effective({ 'cleanup.policy': '' }, { 'log.cleanup.policy': 'compact' }).cleanupPolicy).toEqual({
    delete: false,
    compact: false,
  })
})

test('topic settings: throttled replicas', () => {
  const name = 'leader.replication.throttled.replicas'
  expect(effective({ [name]: '*' }).leaderThrottledReplicas).toBe('all')
  expect(effective({ [name]: '0:1,2:3' }).leaderThrottledReplicas).toEqual([
    { partition: 0, brokerId: 1 },
    { partition: 2, brokerId: 3 },
  ])
})

test('topic settings: a stored value that does not parse: as if it were not there', () => {
  expect(effective({ 'segment.bytes': 'x', 'no.such': '1' }, { 'log.segment.bytes': '200' }).segmentBytes).toBe(200)
})

test.each<[Record<string, string>, string]>([
  [{ 'no.such': '1' }, 'Unknown topic config name: no.such'],
  [{ 'retention.ms': 'x' }, 'Invalid value x for configuration retention.ms: Not a number of type LONG'],
  [{ 'segment.bytes': '13' }, 'Invalid value 13 for configuration segment.bytes: Value must be at least 14'],
  [
    { 'cleanup.policy': 'delete,shrink' },
    'Invalid value shrink for configuration cleanup.policy: String must be one of: compact, delete',
  ],
  [{ 'min.cleanable.dirty.ratio': '1.1' }, 'Value must be no more than 1'],
  [{ 'leader.replication.throttled.replicas': '0' }, "must be the literal '*' or a list of replicas"],
  [{ 'min.compaction.lag.ms': '9', 'max.compaction.lag.ms': '8' }, 'conflict topic config setting'],
  [{ 'remote.storage.enable': 'true' }, 'Tiered Storage functionality is disabled in the broker'],
  [{ 'remote.log.copy.disable': 'true' }, 'It is invalid to set `remote.log.copy.disable`'],
])('topic config: %j: refused', (overrides, message) => {
  const validate = (): void => validateTopicOverrides(new Map(Object.entries(overrides)))
  expect(validate).toThrow(InvalidTopicConfig)
  expect(validate).toThrow(message)
})
