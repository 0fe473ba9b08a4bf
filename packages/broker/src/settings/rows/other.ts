import { boolean, string, int, long, list, notYet, never, atLeast, type SettingRow } from '../setting.ts'

/** What is left: metrics and the like. */
export const otherSettings = {
  'auto.include.jmx.reporter': boolean('true', {
    doc: 'Whether metrics go to JMX even if no reporter is named.',
    update: 'read-only',
    importance: 'LOW',
    status: never('there is no JMX outside of Java'),
  }),
  'kafka.metrics.polling.interval.secs': int('10', {
    doc: 'Time between two reports of the reporters.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'LOW',
    status: never('names Java classes; metrics are served to Prometheus'),
  }),
  'kafka.metrics.reporters': list('', {
    doc: 'Classes that report Yammer metrics.',
    update: 'read-only',
    importance: 'LOW',
    status: never('names Java classes; metrics are served to Prometheus'),
  }),
  'metric.reporters': list('', {
    doc: 'Classes that report metrics.',
    update: 'cluster-wide',
    importance: 'LOW',
    status: never('names Java classes; metrics are served to Prometheus'),
  }),
  'metrics.num.samples': int('2', {
    doc: 'Samples over which a metric is computed.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'LOW',
    status: notYet('metrics'),
  }),
  'metrics.sample.window.ms': long('30000', {
    doc: 'Length of each of them.',
    range: atLeast(1),
    update: 'read-only',
    importance: 'LOW',
    status: notYet('metrics'),
  }),
  'metrics.recording.level': string('INFO', {
    doc: 'How much is measured.',
    update: 'read-only',
    importance: 'LOW',
    status: notYet('metrics'),
  }),
  'unstable.feature.versions.enable': boolean('false', {
    doc: 'Whether versions of features that Kafka has not released may be used.',
    update: 'read-only',
    importance: 'HIGH',
    isInternal: true,
    status: never('brokers of the ZooKeeper era have no features to unlock'),
  }),
} satisfies Record<string, SettingRow>
