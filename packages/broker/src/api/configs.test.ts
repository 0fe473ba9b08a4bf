import { describe, expect, test } from '@jest/globals'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { alterConfigsRequest, alterConfigsResponse } from '@millrace/protocol/messages/33-alter-configs'
import {
  describeConfigsRequest,
  describeConfigsResponse,
  type DescribeConfigsResourceResult,
} from '@millrace/protocol/messages/32-describe-configs'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from '@millrace/protocol/messages/44-incremental-alter-configs'
import { Reader } from '@millrace/protocol/reader'
import type { Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { ConfigChanges } from '../metadata/config-changes.ts'
import { ConfigStore } from '../metadata/config-store.ts'
import { createStartupPaths } from '../metadata/startup-paths.ts'
import { controllerZnode } from '../metadata/znodes.ts'
import { LiveBrokerSettings } from '../settings/overrides.ts'
import { parseBrokerSettings } from '../settings/parse.ts'
import describeConfigs from './32-describe-configs.ts'
import alterConfigs from './33-alter-configs.ts'
import incrementalAlterConfigs from './44-incremental-alter-configs.ts'
import type { Handler, RequestContext } from './handler.ts'

const Type = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16 }
const Source = { topic: 1, dynamicBroker: 2, dynamicDefault: 3, staticBroker: 4, default: 5 }
const Op = { set: 0, delete: 1, append: 2, subtract: 3 }

/** Broker 1 with its dynamic configs, in virtual time; `t` and `u` are its topics. */
class ConfigBroker {
  readonly world = new VirtualTree()
  readonly settings: LiveBrokerSettings
  #client: EmbeddedClient | null = null
  #changes: ConfigChanges | null = null

  constructor(given: Record<string, string> = {}) {
    const file = new Map(Object.entries({ 'zookeeper.connect': 'z:1', 'broker.id': '1', ...given }))
    const { settings } = parseBrokerSettings(file)
    this.settings = new LiveBrokerSettings({ file: settings, brokerId: 1, logger: silentLogger })
  }

  /** `slowMs`: how long this broker takes to follow a change. */
  async start(slowMs = 0): Promise<this> {
    const { world } = this
    const client = (this.#client = await world.client())
    await world.during(createStartupPaths(client))
    const controller = controllerZnode.encode({ brokerId: 1, timestampMs: 0, kraftControllerEpoch: -1 })
    await world.during(client.create('/controller', controller, { mode: 'ephemeral' }))
    const changes = (this.#changes = new ConfigChanges({
      coordination: client,
      store: new ConfigStore(client),
      brokerId: 1,
      clock: world.time,
      timers: world.time,
      logger: silentLogger,
      receiver: {
        brokerChanged: async values => {
          if (slowMs > 0) await new Promise<void>(resolve => world.time.after(slowMs, resolve))
          this.settings.applyPerBroker(values)
        },
        clusterDefaultChanged: values => this.settings.applyClusterDefault(values),
        topicChanged: () => {},
      },
    }))
    await world.during(changes.start())
    return this
  }

  get client(): EmbeddedClient {
    return this.#client!
  }

  /** Through the bytes of `version`, there and back. */
  async ask<Request, Response>(
    [handler, request, response]: readonly [Handler<never>, Message<Request>, Message<Response>],
    version: number,
    value: Request,
  ): Promise<Response> {
    const services = {
      settings: this.settings,
      metadata: { hasTopic: (topic: string) => topic === 't' || topic === 'u' },
      configStore: new ConfigStore(this.client),
      configChanges: this.#changes!,
    }
    const writer = new Writer()
    codec(request, version).encode(writer, value)
    const context = { apiKey: request.apiKey, apiVersion: version, correlationId: 7 } as RequestContext
    const result = handler.run(new Reader(writer.finish()), context, services as never)
    const answer = await this.world.during(Promise.resolve(result))
    if (typeof answer !== 'object' || answer.kind !== 'parts') throw new Error('no answer')
    const frame = Buffer.concat(answer.parts)
    return codec(response, version).decode(new Reader(frame, version >= request.flexibleSince ? 9 : 8))
  }

  async stored(path: string): Promise<unknown> {
    return JSON.parse((await this.world.during(this.client.get(path))).data.toString())
  }
}

const describing = [describeConfigs, describeConfigsRequest, describeConfigsResponse] as const
const altering = [alterConfigs, alterConfigsRequest, alterConfigsResponse] as const
const incremental = [incrementalAlterConfigs, incrementalAlterConfigsRequest, incrementalAlterConfigsResponse] as const

type Described = Record<string, DescribeConfigsResourceResult>

async function describeOne(
  broker: ConfigBroker,
  resourceType: number,
  resourceName: string,
  options: { keys?: string[]; version?: number } = {},
): Promise<{ configs: Described; errorCode: number; errorMessage: string | null }> {
  const { version = 4, keys = null } = options
  const { results } = await broker.ask(describing, version, {
    resources: [{ resourceType, resourceName, configurationKeys: keys }],
    includeSynonyms: version >= 1,
    includeDocumentation: version >= 3,
  })
  const { configs, errorCode, errorMessage } = results[0]!
  return { configs: Object.fromEntries(configs.map(config => [config.name, config])), errorCode, errorMessage }
}

const set = (name: string, value: string | null) => ({ name, value, configOperation: Op.set })

async function change(
  broker: ConfigBroker,
  resourceType: number,
  resourceName: string,
  configs: { name: string; value: string | null; configOperation: number }[],
  validateOnly = false,
): Promise<[code: number, message: string | null]> {
  const { responses } = await broker.ask(incremental, 1, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly,
  })
  return [responses[0]!.errorCode, responses[0]!.errorMessage]
}

describe('DescribeConfigs', () => {
  test('a topic without configs: all 36 settings, from the broker', async () => {
    const broker = await new ConfigBroker({ 'log.segment.bytes': '5000', 'log.retention.hours': '1' }).start()
    const { configs } = await describeOne(broker, Type.topic, 't')
    expect(Object.keys(configs)).toHaveLength(36)
    expect(configs['segment.bytes']).toEqual({
      name: 'segment.bytes',
      value: '5000',
      readOnly: false,
      isDefault: false,
      configSource: Source.staticBroker,
      isSensitive: false,
      synonyms: [
        { name: 'log.segment.bytes', value: '5000', source: Source.staticBroker },
        { name: 'log.segment.bytes', value: '1073741824', source: Source.default },
      ],
      configType: 3,
      documentation: 'Size at which a new segment begins.',
    })
    expect(configs['flush.messages']?.value).toBe('9223372036854775807')
    // Kafka shows no synonyms where only a coarser unit speaks.
    expect(configs['retention.ms']).toMatchObject({ value: '3600000', synonyms: [], configSource: Source.default })
    expect(configs['flush.ms']).toMatchObject({ value: '9223372036854775807', synonyms: [] })
    expect(configs['follower.replication.throttled.replicas']).toMatchObject({ value: '', configType: 7, synonyms: [] })
  })

  test('a topic with configs: they come first', async () => {
    const broker = await new ConfigBroker().start()
    await change(broker, Type.topic, 't', [set('retention.ms', ' 0060 '), set('min.cleanable.dirty.ratio', '1')])
    const { configs } = await describeOne(broker, Type.topic, 't', {
      keys: ['retention.ms', 'min.cleanable.dirty.ratio'],
    })
    expect(Object.keys(configs)).toEqual(['min.cleanable.dirty.ratio', 'retention.ms'])
    expect(configs['retention.ms']).toMatchObject({
      value: '60',
      configSource: Source.topic,
      synonyms: [{ name: 'retention.ms', value: '60', source: Source.topic }],
    })
    expect(configs['min.cleanable.dirty.ratio']?.value).toBe('1.0')
  })

  test('a broker: every layer of a dynamic setting, the one in force first', async () => {
    const broker = await new ConfigBroker({ 'max.connections': '10', 'my.plugin': 'x' }).start()
    await change(broker, Type.broker, '', [set('max.connections', '20')])
    await change(broker, Type.broker, '1', [set('max.connections', '30')])
    const { configs } = await describeOne(broker, Type.broker, '1')
    expect(configs['max.connections']).toMatchObject({
      value: '30',
      readOnly: false,
      configSource: Source.dynamicBroker,
    })
    expect(configs['max.connections']?.synonyms.map(each => [each.value, each.source])).toEqual([
      ['30', Source.dynamicBroker],
      ['20', Source.dynamicDefault],
      ['10', Source.staticBroker],
      ['2147483647', Source.default],
    ])
    expect(configs['broker.id']).toMatchObject({ value: '1', readOnly: true, configSource: Source.staticBroker })
    expect(configs['log.dirs']).toMatchObject({ value: null, readOnly: true, synonyms: [] })
    expect(configs['ssl.keystore.password']).toMatchObject({ value: null, isSensitive: true, configType: 9 })
    // Nobody knows what it is, so it may be a secret.
    expect(configs['my.plugin']).toMatchObject({ value: null, isSensitive: true, configType: 0 })
    expect(configs['log.initial.task.delay.ms']).toBeUndefined()
    expect(configs['leader.replication.throttled.rate']).toBeUndefined()
  })

  test('all brokers at once: what was set for all, and nothing else', async () => {
    const broker = await new ConfigBroker({ 'max.connections': '10' }).start()
    await change(broker, Type.broker, '', [set('max.connections', '20')])
    const { configs } = await describeOne(broker, Type.broker, '')
    expect(Object.values(configs)).toMatchObject([
      { name: 'max.connections', value: '20', synonyms: [{ value: '20', source: Source.dynamicDefault }] },
    ])
  })

  test.each([0, 1, 2, 3, 4])('v%d: a value and where it comes from', async version => {
    const broker = await new ConfigBroker({ 'num.partitions': '3' }).start()
    const { configs } = await describeOne(broker, Type.broker, '1', { version, keys: ['num.partitions', 'log.dir'] })
    expect(configs['num.partitions']).toMatchObject({ value: '3', readOnly: true })
    if (version === 0) {
      expect([configs['num.partitions']?.isDefault, configs['log.dir']?.isDefault]).toEqual([false, true])
    } else {
      expect(configs['num.partitions']?.configSource).toBe(Source.staticBroker)
    }
    expect(configs['num.partitions']?.documentation).toEqual(version >= 3 ? expect.stringContaining('Partitions') : '')
  })

  test.each([
    [Type.topic, 'missing', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, /^$/],
    [Type.topic, 'a b', ErrorCode.INVALID_TOPIC_EXCEPTION, /^Topic name is invalid/],
    [Type.broker, '2', ErrorCode.INVALID_REQUEST, /Unexpected broker id, expected 1 or empty string, but received 2/],
    [Type.broker, 'x', ErrorCode.INVALID_REQUEST, /must be an integer/],
    [Type.brokerLogger, '1', ErrorCode.INVALID_REQUEST, /no loggers/],
    [Type.clientMetrics, 'm', ErrorCode.INVALID_REQUEST, /Unsupported resource type: CLIENT_METRICS/],
    [99, 'm', ErrorCode.INVALID_REQUEST, /Unsupported resource type: UNKNOWN/],
  ])('resource %d %j: refused', async (resourceType, name, code, message) => {
    const broker = await new ConfigBroker().start()
    const { configs, errorCode, errorMessage } = await describeOne(broker, resourceType, name)
    expect(configs).toEqual({})
    expect(errorCode).toBe(code)
    expect(errorMessage).toMatch(message)
  })
})

describe('IncrementalAlterConfigs', () => {
  test('topic: set, append, delete, as Kafka leaves it (znodes.json, step 8)', async () => {
    const broker = await new ConfigBroker().start()
    await change(broker, Type.topic, 't', [set('cleanup.policy', 'compact'), set('retention.ms', '60000000')])
    await change(broker, Type.topic, 't', [
      set('max.message.bytes', '2000000'),
      { name: 'cleanup.policy', value: 'delete', configOperation: Op.append },
      { name: 'retention.ms', value: null, configOperation: Op.delete },
    ])
    expect(await broker.stored('/config/topics/t')).toEqual({
      version: 1,
      config: { 'cleanup.policy': 'compact,delete', 'max.message.bytes': '2000000' },
    })
    await change(broker, Type.topic, 't', [{ name: 'cleanup.policy', value: 'compact', configOperation: Op.subtract }])
    expect(await broker.stored('/config/topics/t')).toMatchObject({ config: { 'cleanup.policy': 'delete' } })
  })

  test('broker: in force when the answer is there, however long that takes', async () => {
    const broker = await new ConfigBroker().start(200)
    await expect(change(broker, Type.broker, '1', [set('message.max.bytes', '77')])).resolves.toEqual([0, null])
    expect(broker.settings.get('message.max.bytes')).toBe(77)
    await change(broker, Type.broker, '1', [{ name: 'message.max.bytes', value: null, configOperation: Op.delete }])
    expect(broker.settings.get('message.max.bytes')).toBe(1_048_588)
    expect(await broker.stored('/config/brokers/1')).toEqual({ version: 1, config: {} })
  })

  test('validateOnly: checked, not written', async () => {
    const broker = await new ConfigBroker().start()
    await expect(change(broker, Type.topic, 't', [set('retention.ms', '1')], true)).resolves.toEqual([0, null])
    await expect(change(broker, Type.topic, 't', [set('retention.ms', 'x')], true)).resolves.toEqual([
      40,
      expect.stringContaining('LONG'),
    ])
    await expect(broker.world.during(broker.client.exists('/config/topics/t'))).resolves.toBeNull()
  })

  test.each([
    ['an unknown topic', Type.topic, 'missing', [set('retention.ms', '1')], 3, /'missing' does not exist/],
    ['no topic', Type.topic, '', [set('retention.ms', '1')], 42, /Default topic resources are not allowed/],
    ['an unknown setting', Type.topic, 't', [set('no.such', '1')], 40, /Unknown topic config name: no.such/],
    ['a bad value', Type.topic, 't', [set('segment.bytes', '13')], 40, /Value must be at least 14/],
    ['null', Type.topic, 't', [set('retention.ms', null)], 42, /Null value not supported for : retention.ms/],
    ['a key twice', Type.topic, 't', [set('retention.ms', '1'), set('retention.ms', '2')], 42, /duplicate config keys/],
    [
      'appending to what is no list',
      Type.topic,
      't',
      [{ name: 'retention.ms', value: '1', configOperation: Op.append }],
      40,
      /Config value append is not allowed for config key: retention.ms/,
    ],
    [
      'appending to nobody knows what',
      Type.topic,
      't',
      [{ name: 'no.such', value: '1', configOperation: Op.append }],
      40,
      /Unknown config name: no.such/,
    ],
    [
      'an unknown operation',
      Type.topic,
      't',
      [{ name: 'retention.ms', value: '1', configOperation: 9 }],
      42,
      /Unknown operations type 9/,
    ],
    ['a read-only setting', Type.broker, '1', [set('broker.rack', 'r')], 42, /Cannot update these configs dynamically/],
    ['another broker', Type.broker, '2', [set('max.connections', '1')], 42, /Unexpected broker id/],
    ['a logger', Type.brokerLogger, '1', [set('kafka', 'INFO')], 42, /no loggers/],
    ['client metrics', Type.clientMetrics, 'm', [set('a', 'b')], 42, /only supported for topics and brokers/],
  ])('%s: refused, nothing written', async (_, type, name, configs, code, message) => {
    const broker = await new ConfigBroker().start()
    const [errorCode, errorMessage] = await change(broker, type, name, configs)
    expect(errorCode).toBe(code)
    expect(errorMessage).toMatch(message)
    await expect(broker.world.during(broker.client.children('/config/changes'))).resolves.toEqual([])
  })

  test('a resource twice: both refused; another of the same request is changed', async () => {
    const broker = await new ConfigBroker().start()
    const resource = (resourceName: string) => ({
      resourceType: Type.topic,
      resourceName,
      configs: [set('retention.ms', '1')],
    })
    const { responses } = await broker.ask(incremental, 1, {
      resources: [resource('t'), resource('u'), resource('t')],
      validateOnly: false,
    })
    expect(responses.map(each => each.errorCode)).toEqual([42, 0, 42])
    expect(await broker.stored('/config/topics/u')).toMatchObject({ config: { 'retention.ms': '1' } })
  })

  test('no controller: STALE_CONTROLLER_EPOCH; no connection: retriable', async () => {
    const broker = await new ConfigBroker().start()
    await broker.world.during(broker.client.delete('/controller', -1))
    await expect(change(broker, Type.topic, 't', [set('retention.ms', '1')])).resolves.toEqual([
      ErrorCode.STALE_CONTROLLER_EPOCH,
      'the controller has moved',
    ])
    broker.client.disconnect()
    await expect(change(broker, Type.topic, 't', [set('retention.ms', '1')])).resolves.toEqual([
      ErrorCode.REQUEST_TIMED_OUT,
      expect.stringContaining('ZooKeeper did not answer in time'),
    ])
  })
})

describe('AlterConfigs', () => {
  const replace = async (broker: ConfigBroker, configs: { name: string; value: string | null }[], version = 2) => {
    const { responses } = await broker.ask(altering, version, {
      resources: [{ resourceType: Type.topic, resourceName: 't', configs }],
      validateOnly: false,
    })
    return responses[0]!
  }

  test.each([0, 1, 2])('v%d: what is not named is removed', async version => {
    const broker = await new ConfigBroker().start()
    await change(broker, Type.topic, 't', [set('retention.ms', '1'), set('segment.bytes', '100')])
    const answer = await replace(broker, [{ name: 'segment.bytes', value: '200' }], version)
    expect(answer).toEqual({ errorCode: 0, errorMessage: null, resourceType: Type.topic, resourceName: 't' })
    expect(await broker.stored('/config/topics/t')).toEqual({ version: 1, config: { 'segment.bytes': '200' } })
  })

  test('null: refused', async () => {
    const broker = await new ConfigBroker().start()
    await expect(replace(broker, [{ name: 'segment.bytes', value: null }])).resolves.toMatchObject({
      errorCode: ErrorCode.INVALID_REQUEST,
      errorMessage: 'Null value not supported for : segment.bytes',
    })
  })
})
