import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { join } from 'node:path'
import { describeWith } from '../oracles/describe-with.ts'
import { oraclePath } from '../oracles/oracles.ts'
import { runProcess } from '../oracles/processes.ts'
import { startMillrace, type CoordinationKind, type MillraceCluster } from './clusters.ts'

const kinds: readonly CoordinationKind[] = ['embedded', 'ensemble']
jest.setTimeout(120_000)

describeWith(['confluent', 'kafka'], 'confluent-kafka (librdkafka)', () => {
  describe.each(kinds)('%s coordination', kind => {
    let cluster: MillraceCluster
    beforeAll(async () => {
      cluster = await startMillrace(kind)
    })
    afterAll(() => cluster?.stop())

    test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
      'idempotent producer with %s, consumer by assignment: 30,000 records once each, in order',
      async codec => {
        const { stdout } = await runProcess({
          name: 'round_trip.py',
          command: oraclePath('confluent'),
          args: [join(import.meta.dirname, 'python', 'round_trip.py'), cluster.bootstrap, codec],
        })
        expect(JSON.parse(stdout.toString())).toEqual({
          failures: [],
          left: 0,
          delivered: 30000,
          seen: [10000, 10000, 10000],
          inOrder: true,
          right: true,
          low: 0,
          high: 10000,
          retention: '3600000',
        })
      },
    )
  })
})
