import { applied, boolean, type SettingRow } from '../setting.ts'

/** What Kafka does not have. Not listed by DescribeConfigs unless it is set, so that Kafka's tools find what they know. */
export const millraceSettings = {
  'millrace.fast.failure.detection.enable': boolean('true', {
    doc: 'Whether a broker whose process is gone is given up at once and not after the session timeout; to be false in a cluster with brokers of Kafka.',
    update: 'read-only',
    importance: 'MEDIUM',
    isInternal: true,
    status: applied('packages/broker/src/controller/loss-detection.test.ts'),
  }),
} satisfies Record<string, SettingRow>
