import { boolean, int, short, applied, notYet, atLeast, type SettingRow } from '../setting.ts'

/** Idempotent and transactional producers. */
export const transactionSettings = {
  'producer.id.expiration.ms': int('86400000', {
    doc: 'An idempotent producer that was idle for so long is forgotten.',
    range: atLeast(1),
    update: 'cluster-wide',
    importance: 'LOW',
    status: applied('packages/broker/src/settings-in-effect.test.ts'),
  }),
  'producer.id.expiration.check.interval.ms': int('600000', {
    doc: 'Time between two looks for producers to forget.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'LOW',
    isInternal: true,
    status: applied('packages/broker/src/settings-in-effect.test.ts'),
  }),
  'transactional.id.expiration.ms': int('604800000', {
    doc: 'A transactional id that was idle for so long is forgotten.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: notYet('transactions'),
  }),
  'transaction.max.timeout.ms': int('900000', {
    doc: 'Longest transaction that a producer may ask for.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: notYet('transactions'),
  }),
  'transaction.state.log.load.buffer.size': int('5242880', {
    doc: 'Bytes read at a time while transactions are loaded.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: notYet('transactions'),
  }),
  'transaction.state.log.min.isr': int('2', {
    doc: 'Fewest in-sync replicas with which the transaction topic takes writes.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: notYet('transactions'),
  }),
  'transaction.state.log.num.partitions': int('50', {
    doc: 'Partitions of the transaction topic.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: notYet('transactions'),
  }),
  'transaction.state.log.replication.factor': short('3', {
    doc: 'Replicas of the transaction topic.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: notYet('transactions'),
  }),
  'transaction.state.log.segment.bytes': int('104857600', {
    doc: 'Segment size of the transaction topic.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'HIGH',
    status: notYet('transactions'),
  }),
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': int('10000', {
    doc: 'Time between two looks for transactions that took too long.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'LOW',
    status: notYet('transactions'),
  }),
  'transaction.remove.expired.transaction.cleanup.interval.ms': int('3600000', {
    doc: 'Time between two looks for transactional ids to forget.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'LOW',
    status: notYet('transactions'),
  }),
  'transaction.partition.verification.enable': boolean('true', {
    doc: 'Whether a transactional write is checked with its coordinator (KIP-890).',
    update: 'cluster-wide',
    importance: 'LOW',
    status: notYet('transactions'),
  }),
} satisfies Record<string, SettingRow>
