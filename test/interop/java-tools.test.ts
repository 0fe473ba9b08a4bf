import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { join } from 'node:path'
import { describeWith } from '../oracles/describe-with.ts'
import { javaSource, kafkaTool, KafkaTool } from '../oracles/kafka.ts'
import { startMillrace, type CoordinationKind, type MillraceCluster } from './clusters.ts'

const kinds: readonly CoordinationKind[] = ['embedded', 'ensemble']
jest.setTimeout(180_000)

describeWith(['kafka'], 'Kafka 3.9 Java tools', () => {
  describe.each(kinds)('%s coordination', kind => {
    let cluster: MillraceCluster
    beforeAll(async () => {
      cluster = await startMillrace(kind)
    })
    afterAll(() => cluster?.stop())
    const tool = async (mainClass: string, args: readonly string[], input?: string): Promise<string> =>
      (
        await kafkaTool(
          mainClass,
          ['--bootstrap-server', cluster.bootstrap, ...args],
          input === undefined ? {} : { input },
        )
      ).stdout.toString()

    test('AdminClient and default producer: every check passes', async () => {
      const { stdout, stderr } = await javaSource(
        join(import.meta.dirname, 'java', 'AdminRoundTrip.java'),
        [cluster.bootstrap],
        { allowFailure: true },
      )
      const lines = stdout.toString().trim().split('\n')
      expect({ failed: lines.filter(line => !line.startsWith('ok ')), stderr }).toEqual({
        failed: ['all ok'],
        stderr: '',
      })
      expect(lines.length).toBeGreaterThan(10)
    })

    test('ClientCompatibilityTest of Kafka: what it expects of a broker of its own version, ACLs excepted', async () => {
      const options = {
        topic: `compatibility-${kind}`,
        'offsets-for-times-supported': true,
        'cluster-id-supported': true,
        'expect-record-too-large-exception': false,
        'num-cluster-nodes': cluster.ports.length,
        'create-topics-supported': true,
        'describe-acls-supported': false, // comes with ACLs; Kafka has it without an authorizer, too
        'describe-configs-supported': true,
        'idempotent-producer-supported': true,
      }
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
      expect(await tool(KafkaTool.clientCompatibility, args)).toMatch(/SUCCESS/)
    })

    test('console producer and consumer: what goes in comes out, from any offset', async () => {
      await tool(KafkaTool.topics, ['--create', '--topic', 'console', '--partitions', '1', '--replication-factor', '1'])
      const lines = Array.from({ length: 1000 }, (_, i) => `line ${i} é 日本`)
      await tool(KafkaTool.consoleProducer, ['--topic', 'console'], `${lines.join('\n')}\n`)
      const all = await tool(KafkaTool.consoleConsumer, [
        '--topic',
        'console',
        '--partition',
        '0',
        '--offset',
        'earliest',
        '--max-messages',
        '1000',
        '--timeout-ms',
        '20000',
      ])
      expect(all.trim().split('\n')).toEqual(lines)
      const tail = await tool(KafkaTool.consoleConsumer, [
        '--topic',
        'console',
        '--partition',
        '0',
        '--offset',
        '990',
        '--max-messages',
        '10',
        '--timeout-ms',
        '20000',
      ])
      expect(tail.trim().split('\n')).toEqual(lines.slice(990))
    })

    test('topics, configs, offsets, api-versions: the tools read what they wrote', async () => {
      await tool(KafkaTool.topics, [
        '--create',
        '--topic',
        'tools',
        '--partitions',
        '2',
        '--config',
        'retention.ms=1000000',
      ])
      expect(await tool(KafkaTool.topics, ['--describe', '--topic', 'tools'])).toMatch(
        // What the topics of `npm start` have, and those of brokers that are started one by one.
        kind === 'embedded'
          ? /Topic: tools\tTopicId: .{22}\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: .*retention.ms=1000000/
          : /Topic: tools\tTopicId: .{22}\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: .*retention.ms=1000000/,
      )
      await tool(KafkaTool.configs, [
        '--alter',
        '--entity-type',
        'topics',
        '--entity-name',
        'tools',
        '--add-config',
        'max.message.bytes=2000000',
      ])
      expect(
        await tool(KafkaTool.configs, ['--describe', '--entity-type', 'topics', '--entity-name', 'tools']),
      ).toContain('max.message.bytes=2000000')
      expect((await tool(KafkaTool.getOffsets, ['--topic', 'tools'])).trim().split('\n').sort()).toEqual([
        'tools:0:0',
        'tools:1:0',
      ])
      expect(await tool(KafkaTool.apiVersions, [])).toContain('Produce(0): 0 to 11 [usable: 11]')
      await tool(KafkaTool.topics, ['--delete', '--topic', 'tools'])
      expect((await tool(KafkaTool.topics, ['--list'])).split('\n')).not.toContain('tools')
    })
  })
})
