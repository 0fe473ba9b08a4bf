import { applied, int, short, long, atLeast, type SettingRow } from '../setting.ts'

/** Consumer groups and their offsets. */
export const groupSettings = {
  'group.min.session.timeout.ms': int('6000', {
    doc: 'Shortest session timeout that a member may ask for.',
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'group.max.session.timeout.ms': int('1800000', {
    doc: 'Longest session timeout that a member may ask for.',
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'group.initial.rebalance.delay.ms': int('3000', {
    doc: 'How long an empty group waits for more members before its first rebalance.',
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'group.max.size': int('2147483647', {
    doc: 'Most members of a group.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'offset.metadata.max.bytes': int('4096', {
    doc: 'Longest text that may be committed with an offset.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'offsets.commit.required.acks': short('-1', {
    doc: 'Acknowledgements that an offset commit waits for.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/offset-writes.test.ts'),
  }),
  'offsets.commit.timeout.ms': int('5000', {
    doc: 'How long an offset commit waits for its replicas.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/offset-writes.test.ts'),
  }),
  'offsets.load.buffer.size': int('5242880', {
    doc: 'Bytes read at a time while offsets are loaded.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/offset-writes.test.ts'),
  }),
  'offsets.retention.check.interval.ms': long('600000', {
    doc: 'Time between two looks for offsets to forget.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'offsets.retention.minutes': int('10080', {
    doc: 'How long the offsets of an empty group are kept.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'offsets.topic.compression.codec': int('0', {
    doc: 'Codec of the offsets topic: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'offsets.topic.num.partitions': int('50', {
    doc: 'Partitions of the offsets topic.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'offsets.topic.replication.factor': short('3', {
    doc: 'Replicas of the offsets topic.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
  'offsets.topic.segment.bytes': int('104857600', {
    doc: 'Segment size of the offsets topic.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/coordinators/groups.test.ts'),
  }),
} satisfies Record<string, SettingRow>
