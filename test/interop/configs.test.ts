import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { Connection } from '@millrace/client/connection/connection'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import {
  describeConfigsRequest,
  describeConfigsResponse,
  type DescribeConfigsRequest,
} from '@millrace/protocol/messages/32-describe-configs'
import {
  alterConfigsRequest,
  alterConfigsResponse,
  type AlterConfigsRequest,
} from '@millrace/protocol/messages/33-alter-configs'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
  type IncrementalAlterConfigsRequest,
} from '@millrace/protocol/messages/44-incremental-alter-configs'
import { emptyOf } from '@millrace/protocol/schema'
import { nodeWorld } from '@millrace/runtime/node/world'
import { describeWith } from '../oracles/describe-with.ts'
import { startKafka, type KafkaBroker } from '../oracles/kafka.ts'
import { startZooKeeper, type ZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'
import { startMillrace, type MillraceCluster } from './clusters.ts'

jest.setTimeout(180_000)

/** Given to both. */
const properties = {
  'log.segment.bytes': '5000000',
  'log.retention.hours': '5',
  'max.connections': '1000',
  'my.plugin': 'x',
  'min.insync.replicas': '1',
}
/** Where both have to differ: addresses, folders, what the starters of the two give. */
const own = new Set([
  'listeners',
  'advertised.listeners',
  'zookeeper.connect',
  'log.dirs',
  'log.dir',
  'broker.id',
  'node.id',
])

const Type = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 }
const Op = { set: 0, delete: 1, append: 2, subtract: 3 }

type Step =
  | { readonly describe: DescribeConfigsRequest; readonly version?: number }
  | { readonly alter: AlterConfigsRequest }
  | { readonly change: IncrementalAlterConfigsRequest }

const describeOf = (resourceType: number, resourceName: string, configurationKeys: string[] | null = null): Step => ({
  describe: {
    resources: [{ resourceType, resourceName, configurationKeys }],
    includeSynonyms: true,
    includeDocumentation: false,
  },
})
const setTo = (name: string, value: string | null) => ({ name, value, configOperation: Op.set })
const change = (
  resourceType: number,
  resourceName: string,
  configs: { name: string; value: string | null; configOperation: number }[],
  validateOnly = false,
): Step => ({ change: { resources: [{ resourceType, resourceName, configs }], validateOnly } })
const alter = (
  resourceType: number,
  resourceName: string,
  configs: { name: string; value: string | null }[],
): Step => ({
  alter: { resources: [{ resourceType, resourceName, configs }], validateOnly: false },
})

const steps: readonly (readonly [name: string, step: Step])[] = [
  ['describe a topic', describeOf(Type.topic, 't')],
  ['describe an unknown topic', describeOf(Type.topic, 'missing')],
  ['describe a topic of an impossible name', describeOf(Type.topic, 'a b')],
  ['describe a broker', describeOf(Type.broker, '1')],
  [
    'describe some settings of a broker',
    describeOf(Type.broker, '1', ['log.retention.ms', 'log.retention.hours', 'nonsense']),
  ],
  ['describe another broker', describeOf(Type.broker, '2')],
  ['describe no broker', describeOf(Type.broker, 'x')],
  ['describe all brokers', describeOf(Type.broker, '')],
  [
    'set topic configs',
    change(Type.topic, 't', [setTo('retention.ms', ' 60000 '), setTo('cleanup.policy', 'compact')]),
  ],
  ['describe them', describeOf(Type.topic, 't', ['retention.ms', 'cleanup.policy', 'segment.bytes'])],
  ['append', change(Type.topic, 't', [{ name: 'cleanup.policy', value: 'delete', configOperation: Op.append }])],
  [
    'append it again',
    change(Type.topic, 't', [{ name: 'cleanup.policy', value: 'delete', configOperation: Op.append }]),
  ],
  ['subtract', change(Type.topic, 't', [{ name: 'cleanup.policy', value: 'compact', configOperation: Op.subtract }])],
  ['describe the list', describeOf(Type.topic, 't', ['cleanup.policy'])],
  [
    'append to what is no list',
    change(Type.topic, 't', [{ name: 'retention.ms', value: '1', configOperation: Op.append }]),
  ],
  ['a bad number', change(Type.topic, 't', [setTo('retention.ms', 'x')])],
  ['out of range', change(Type.topic, 't', [setTo('segment.bytes', '13')])],
  ['above the range', change(Type.topic, 't', [setTo('min.cleanable.dirty.ratio', '1.1')])],
  ['a bad word', change(Type.topic, 't', [setTo('cleanup.policy', 'shrink')])],
  ['a bad codec', change(Type.topic, 't', [setTo('compression.type', 'rar')])],
  ['a bad level', change(Type.topic, 't', [setTo('compression.gzip.level', '0')])],
  ['bad replicas', change(Type.topic, 't', [setTo('leader.replication.throttled.replicas', '1')])],
  ['bad bounds', change(Type.topic, 't', [setTo('min.compaction.lag.ms', '9'), setTo('max.compaction.lag.ms', '8')])],
  ['an unknown topic config', change(Type.topic, 't', [setTo('no.such', '1')])],
  ['null', change(Type.topic, 't', [setTo('retention.ms', null)])],
  ['the same key twice', change(Type.topic, 't', [setTo('retention.ms', '1'), setTo('retention.ms', '2')])],
  ['an unknown topic', change(Type.topic, 'missing', [setTo('retention.ms', '1')])],
  ['no topic', change(Type.topic, '', [setTo('retention.ms', '1')])],
  ['replace topic configs', alter(Type.topic, 't', [{ name: 'segment.ms', value: '70000' }])],
  ['replace with a bad value', alter(Type.topic, 't', [{ name: 'segment.ms', value: '0' }])],
  ['describe what is left', describeOf(Type.topic, 't')],
  [
    'set for all brokers',
    change(Type.broker, '', [setTo('max.connections', '2000'), setTo('leader.replication.throttled.rate', '9')]),
  ],
  ['set for one broker', change(Type.broker, '1', [setTo('max.connections', '3000'), setTo('log.retention.ms', '-5')])],
  [
    'describe the broker then',
    describeOf(Type.broker, '1', [
      'max.connections',
      'log.retention.ms',
      'log.retention.hours',
      'leader.replication.throttled.rate',
    ]),
  ],
  ['describe all brokers then', describeOf(Type.broker, '')],
  ['describe the topic then', describeOf(Type.topic, 't', ['retention.ms', 'segment.ms'])],
  ['a read-only setting', change(Type.broker, '1', [setTo('broker.rack', 'r')])],
  ['a security setting without listener', change(Type.broker, '1', [setTo('ssl.keystore.type', 'PEM')])],
  ['a setting of one broker for all', change(Type.broker, '', [setTo('sasl.enabled.mechanisms', 'PLAIN')])],
  ['a bad value for a broker', change(Type.broker, '1', [setTo('log.segment.bytes', '13')])],
  ['too many threads', change(Type.broker, '1', [setTo('num.io.threads', '17')])],
  ['too few threads', change(Type.broker, '1', [setTo('num.io.threads', '3')])],
  ['an unknown broker config', change(Type.broker, '1', [setTo('my.other', '1')])],
  ['another broker', change(Type.broker, '2', [setTo('max.connections', '1')])],
  ['no broker', change(Type.broker, 'x', [setTo('max.connections', '1')])],
  ['client metrics', alter(Type.clientMetrics, 'm', [{ name: 'interval.ms', value: '1000' }])],
  ['an unknown resource type', alter(99, 'm', [{ name: 'a', value: 'b' }])],
]

describeWith(['kafka'], 'configs beside a real Kafka', () => {
  const world = nodeWorld()
  let zookeeper: ZooKeeperEnsemble
  let kafka: KafkaBroker
  let millrace: MillraceCluster
  const connections: Connection[] = []

  beforeAll(async () => {
    zookeeper = await startZooKeeper()
    kafka = await startKafka({ zookeeper: zookeeper.connectString, brokerId: 1, properties })
    millrace = await startMillrace('embedded', 1, properties)
    for (const port of [kafka.port, millrace.ports[0]!]) {
      const options = { host: '127.0.0.1', port, clientId: 'test', connectTimeoutMs: 10_000, requestTimeoutMs: 30_000 }
      const connection = await Connection.open({ ...options, versions: 'negotiate' }, world)
      connections.push(connection)
      const topic = { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
      await connection.request(createTopicsRequest, createTopicsResponse, {
        ...emptyOf(createTopicsRequest),
        topics: [topic],
        timeoutMs: 30_000,
      })
    }
  })
  afterAll(async () => {
    await Promise.all(connections.map(connection => connection.close()))
    await kafka?.stop()
    await millrace?.stop()
    await zookeeper?.stop()
  })

  test.each(steps)('%s', async (_, step) => {
    const askBoth = (): Promise<unknown[]> => Promise.all(connections.map(connection => ask(connection, step)))
    let [fromKafka, fromMillrace] = await askBoth()
    // A change is told before it is in force: what describes it may have to be asked again.
    const deadlineMs = world.clock.monotonicMs() + ('describe' in step ? 5000 : 0)
    while (!isDeepStrictEqual(fromKafka, fromMillrace) && world.clock.monotonicMs() < deadlineMs) {
      await new Promise<void>(resolve => void world.timers.after(50, resolve))
      ;[fromKafka, fromMillrace] = await askBoth()
    }
    expect(fromMillrace).toEqual(fromKafka)
  })
})

async function ask(connection: Connection, step: Step): Promise<unknown> {
  if ('describe' in step) {
    const { results } = await connection.request(describeConfigsRequest, describeConfigsResponse, step.describe)
    return results.map(result => ({
      ...result,
      configs: Object.fromEntries(
        result.configs.map(config => [config.name, own.has(config.name) ? 'differs' : config]),
      ),
    }))
  }
  const answer =
    'alter' in step
      ? await connection.request(alterConfigsRequest, alterConfigsResponse, step.alter)
      : await connection.request(incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, step.change)
  return answer.responses.map(each => ({
    ...each,
    errorMessage: each.errorMessage && withoutAccidents(each.errorMessage),
  }))
}

/** Scala's name for a set of a certain size, and an exception inside of another one: not worth copying. */
function withoutAccidents(message: string): string {
  const inner = /^Invalid value [\w.]+Exception: (.*) for configuration Invalid dynamic configuration$/.exec(message)
  return (inner?.[1] ?? message).replace('HashSet(', 'Set(')
}
