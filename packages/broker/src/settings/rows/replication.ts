import { boolean, string, int, long, applied, never, atLeast, type SettingRow } from '../setting.ts'

/** Followers, leadership, controlled shutdown. */
export const replicationSettings = {
  'replica.lag.time.max.ms': long('30000', {
    doc: 'A follower that has not caught up for so long leaves the in-sync replicas.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/replication/partitions.test.ts'),
  }),
  'replica.fetch.max.bytes': int('1048576', {
    doc: 'Bytes that a follower asks for per partition.',
    range: atLeast(0),
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/replication/replica-fetcher.test.ts'),
  }),
  'replica.fetch.min.bytes': int('1', {
    doc: 'Bytes that a follower waits for.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/replication/replica-fetcher.test.ts'),
  }),
  'replica.fetch.wait.max.ms': int('500', {
    doc: 'How long a follower waits for them.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/replication/replica-fetcher.test.ts'),
  }),
  'replica.fetch.backoff.ms': int('1000', {
    doc: 'Pause of a follower after an error.',
    range: atLeast(0),
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/replication/replica-fetcher.test.ts'),
  }),
  'replica.fetch.response.max.bytes': int('10485760', {
    doc: 'Bytes that a follower asks for in all.',
    range: atLeast(0),
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/replication/replica-fetcher.test.ts'),
  }),
  'replica.high.watermark.checkpoint.interval.ms': long('5000', {
    doc: 'Time between two records of the high watermarks.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/settings-in-effect.test.ts'),
  }),
  'replica.socket.timeout.ms': int('30000', {
    doc: "How long a follower's request may take.",
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/replication/replica-fetcher.test.ts'),
  }),
  'replica.socket.receive.buffer.bytes': int('65536', {
    doc: "Size of a follower's receive buffer.",
    update: 'read-only',
    importance: 'HIGH',
    status: never('Node cannot set the buffers of a TCP socket; the operating system sizes them as it sees fit'),
  }),
  'replica.selector.class': string(null, {
    doc: "How a consumer's replica is chosen: the rack-aware selector's name turns on reading from the nearest (KIP-392).",
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/api/01-fetch.test.ts'),
  }),
  'num.replica.fetchers': int('1', {
    doc: 'Connections per leader over which this broker follows.',
    update: 'cluster-wide',
    importance: 'HIGH',
    status: applied('packages/broker/src/replication/replica-fetcher.test.ts'),
  }),
  'num.replica.alter.log.dirs.threads': int(null, {
    doc: 'Moves between folders at the same time; one per folder where not set.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/replication/log-directory-moves.test.ts'),
  }),
  'auto.leader.rebalance.enable': boolean('true', {
    doc: 'Whether the controller hands leadership back to preferred replicas.',
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/controller/replication-requests.test.ts'),
  }),
  'leader.imbalance.check.interval.seconds': long('300', {
    doc: 'Time between two looks for such an imbalance.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/controller/replication-requests.test.ts'),
  }),
  'leader.imbalance.per.broker.percentage': int('10', {
    doc: "Share of a broker's partitions led by others above which leadership is handed back.",
    update: 'read-only',
    importance: 'HIGH',
    status: applied('packages/broker/src/controller/replication-requests.test.ts'),
  }),
  'controlled.shutdown.enable': boolean('true', {
    doc: 'Whether a broker that stops hands over its partitions first.',
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/controller/controlled-shutdown.test.ts'),
  }),
  'controlled.shutdown.max.retries': int('3', {
    doc: 'How often it tries.',
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/controller/controlled-shutdown.test.ts'),
  }),
  'controlled.shutdown.retry.backoff.ms': long('5000', {
    doc: 'Pause between two tries.',
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/controller/controlled-shutdown.test.ts'),
  }),
  'controller.socket.timeout.ms': int('30000', {
    doc: "How long the controller's request to a broker may take.",
    update: 'read-only',
    importance: 'MEDIUM',
    status: applied('packages/broker/src/controller/broker-channel.test.ts'),
  }),
} satisfies Record<string, SettingRow>
