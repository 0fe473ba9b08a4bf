import { describe, expect, test } from '@jest/globals'
import { ConfigError } from './config-error.ts'
import { logDirectories, logRetentionMs, logRollMs, zookeeperConnectionTimeoutMs } from './derived.ts'
import { advertisedEndpoints } from './listeners.ts'
import { parseBrokerSettings } from './parse.ts'
import { parseZookeeperConnect } from './zookeeper-connect.ts'

const parse = (given: Record<string, string>, overrides: Record<string, string> = {}) =>
  parseBrokerSettings(
    new Map(Object.entries({ 'zookeeper.connect': 'localhost:2181', ...given })),
    new Map(Object.entries(overrides)),
  )

function problemsOf(given: Record<string, string>): string[] {
  try {
    parse(given)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ key, expectation }) => `${key}: ${expectation}`)
    throw error
  }
  return []
}

describe('settings', () => {
  test('nothing given: the defaults', () => {
    const { settings, warnings } = parse({})
    expect(settings.get('log.segment.bytes')).toBe(1_073_741_824)
    expect(settings.get('log.retention.ms')).toBeNull()
    expect(settings.get('log.cleanup.policy')).toEqual(['delete'])
    expect(settings.get('auto.create.topics.enable')).toBe(true)
    expect(settings.text('log.flush.interval.messages')).toBe('9223372036854775807')
    expect(warnings).toEqual([])
  })

  test('command line over the file', () => {
    expect(parse({ 'num.partitions': '3' }, { 'num.partitions': '4' }).settings.get('num.partitions')).toBe(4)
  })

  test('several things wrong: all of them named, with key, value and expectation', () => {
    const given = { 'num.partitions': 'three', 'log.segment.bytes': '13', 'auto.create.topics.enable': 'yes' }
    expect(() => parse(given)).toThrow(
      '3 problems in the configuration\n' +
        '  num.partitions=three: Not a number of type INT\n' +
        '  log.segment.bytes=13: Value must be at least 14\n' +
        '  auto.create.topics.enable=yes: Expected value to be either true or false',
    )
  })

  test('a password that is wrong somehow: not shown', () => {
    expect(() => parse({ 'listener.name.x.ssl.keystore.password': 'geheim', 'num.partitions': '0' })).toThrow(
      expect.not.stringContaining('geheim') as unknown as string,
    )
  })

  test('unknown keys and keys without effect: warned of once each', () => {
    const { warnings } = parse({
      'no.such.key': '1',
      'num.io.threads': '8',
      'quota.window.num': '3',
      'super.users': 'User:a',
      'log.segment.bytes': '1000',
    })
    expect(warnings).toEqual([
      { key: 'no.such.key', message: 'unknown setting, ignored' },
      { key: 'num.io.threads', message: 'set, but has no effect: one broker is one event loop' },
      { key: 'quota.window.num', message: 'set, but has no effect yet: it comes with the quotas issue' },
      { key: 'super.users', message: expect.stringContaining('everybody who reaches a listener may do everything') },
    ])
  })

  test('authorizer.class.name: everybody still may do everything, and the operator is told', () => {
    expect(parse({ 'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer' }).warnings).toEqual([
      {
        key: 'authorizer.class.name',
        message:
          'set, but has no effect yet: it comes with the security issue. Until then there is no authorization: everybody who reaches a listener may do everything',
      },
    ])
  })

  test('finer units win', () => {
    expect(logRetentionMs(parse({ 'log.retention.hours': '2' }).settings)).toBe(7_200_000)
    expect(logRetentionMs(parse({ 'log.retention.hours': '2', 'log.retention.minutes': '3' }).settings)).toBe(180_000)
    expect(logRetentionMs(parse({ 'log.retention.minutes': '3', 'log.retention.ms': '5' }).settings)).toBe(5)
    expect(logRetentionMs(parse({ 'log.retention.ms': '-7' }).settings)).toBe(-1)
    expect(logRollMs(parse({ 'log.roll.hours': '1' }).settings)).toBe(3_600_000)
  })

  test('log.dirs over log.dir', () => {
    expect(logDirectories(parse({}).settings)).toEqual(['/tmp/kafka-logs'])
    expect(logDirectories(parse({ 'log.dir': '/a', 'log.dirs': '/b, /c,/b' }).settings)).toEqual(['/b', '/c'])
  })

  test('zookeeper.connection.timeout.ms: the session timeout where it is not set', () => {
    expect(zookeeperConnectionTimeoutMs(parse({ 'zookeeper.session.timeout.ms': '7' }).settings)).toBe(7)
    expect(zookeeperConnectionTimeoutMs(parse({ 'zookeeper.connection.timeout.ms': '9' }).settings)).toBe(9)
  })

  test('node.id stands in for broker.id', () => {
    expect(parse({ 'node.id': '5' }).settings.get('broker.id')).toBe(5)
  })

  test('listener.name.<listener>.max.connections: read for that listener, in any case', () => {
    const { settings, warnings } = parse({
      'listener.name.plaintext.max.connections': '5',
      'listener.name.plaintext.max.connections.per.ip': '5',
    })
    expect(warnings.map(({ key }) => key)).toEqual(['listener.name.plaintext.max.connections.per.ip'])
    expect(settings.onListener('PLAINTEXT', 'max.connections')).toBe(5)
    expect(settings.onListener('OTHER', 'max.connections')).toBeUndefined()
    expect(problemsOf({ 'listener.name.plaintext.max.connections': '-1' })).toEqual([
      'listener.name.plaintext.max.connections: Value must be at least 0',
    ])
  })
})

test.each<[Record<string, string>, string]>([
  [{ 'zookeeper.connect': '' }, 'zookeeper.connect: expected the servers of a ZooKeeper ensemble'],
  [{ 'zookeeper.connect': 'a:b:c' }, 'zookeeper.connect: expected host:port,host:port'],
  [{ 'broker.id': '1001' }, 'broker.id: expected -1 to generate one, or 0 to 1000'],
  [{ 'broker.id': '-2' }, 'broker.id: expected -1 to generate one'],
  [{ 'broker.id.generation.enable': 'false' }, 'broker.id: expected 0 or more'],
  [{ 'broker.id': '1', 'node.id': '2' }, 'node.id: expected the value of broker.id, 1'],
  [{ 'process.roles': 'broker' }, 'process.roles: expected to be empty'],
  [{ 'controller.listener.names': 'C' }, 'controller.listener.names: expected to be empty'],
  [{ 'inter.broker.protocol.version': '3.8' }, 'inter.broker.protocol.version: expected 3.9'],
  [{ 'zookeeper.set.acl': 'true' }, 'zookeeper.set.acl: expected false'],
  [{ 'zookeeper.ssl.client.enable': 'true' }, 'zookeeper.ssl.client.enable: expected false'],
  [{ 'log.dirs': ' , ' }, 'log.dirs: expected at least one folder'],
  [{ 'log.roll.ms': '0' }, 'log.roll.ms: expected at least 1'],
  [{ 'log.retention.ms': '0' }, 'log.retention.ms: expected -1 (for ever) or at least 1'],
  [{ 'queued.max.request.bytes': '1' }, 'queued.max.request.bytes: expected 0 or less'],
  [{ 'max.connections.per.ip': '0' }, 'max.connections.per.ip: expected more than 0'],
  [{ 'max.connections.per.ip.overrides': 'a' }, 'max.connections.per.ip.overrides: expected host:count'],
  [
    { 'connections.max.idle.ms': '100' },
    'connection.failed.authentication.delay.ms: expected less than connections.max.idle.ms',
  ],
  [{ 'replica.fetch.wait.max.ms': '30001' }, 'replica.fetch.wait.max.ms: expected at most replica.socket.timeout.ms'],
  [{ 'log.cleaner.dedupe.buffer.size': '1048576' }, 'log.cleaner.dedupe.buffer.size: expected more than 1 MiB'],
  [{ 'offsets.topic.compression.codec': '5' }, 'offsets.topic.compression.codec: expected 0 to 4'],
  [{ 'offsets.topic.compression.codec': '-1' }, 'offsets.topic.compression.codec: expected 0 to 4'],
  [{ 'offsets.commit.required.acks': '4' }, 'offsets.commit.required.acks: expected -1 to 3'],
  [
    { 'group.coordinator.rebalance.protocols': 'classic,consumer' },
    'group.coordinator.rebalance.protocols: expected classic',
  ],
  [
    { 'leader.replication.throttled.rate': '5' },
    'leader.replication.throttled.rate: expected to be set with the admin',
  ],
  [
    { 'inter.broker.listener.name': 'PLAINTEXT', 'security.inter.broker.protocol': 'PLAINTEXT' },
    'inter.broker.listener.name: expected only one of this and security.inter.broker.protocol',
  ],
  [{ listeners: '' }, 'listeners: expected at least one listener'],
  [{ listeners: 'PLAINTEXT:9092' }, 'listeners: expected NAME://host:port'],
  [{ listeners: 'PLAINTEXT://:70000' }, 'listeners: expected a port from 0 to 65535'],
  [{ listeners: 'FOO://:9092' }, 'listeners: expected listener names that listener.security.protocol.map knows'],
  [
    { listeners: 'PLAINTEXT://:9092,SSL://:9093' },
    'listeners: expected PLAINTEXT listeners: SSL (listener SSL) is not built yet, it comes with the security issue',
  ],
  [{ listeners: 'PLAINTEXT://:1,plaintext://:2' }, 'listeners: expected each listener name once'],
  [{ listeners: 'PLAINTEXT://0.0.0.0:9092' }, 'advertised.listeners: expected to be set, since listener PLAINTEXT'],
  [{ 'advertised.listeners': 'PLAINTEXT://0.0.0.0:9092' }, 'advertised.listeners: expected addresses that others can'],
  [{ 'listener.security.protocol.map': 'PLAINTEXT:TLS' }, 'listener.security.protocol.map: expected NAME:PROTOCOL'],
  [{ 'inter.broker.listener.name': 'X' }, 'inter.broker.listener.name: expected a listener of advertised.listeners'],
  [{ 'control.plane.listener.name': 'PLAINTEXT' }, 'control.plane.listener.name: expected another listener'],
])('settings: %j: refused', (given, expectation) => {
  expect(problemsOf(given)).toEqual(expect.arrayContaining([expect.stringContaining(expectation)]))
})

describe('listeners', () => {
  const map = { 'listener.security.protocol.map': 'CLIENT:PLAINTEXT,internal:PLAINTEXT,CONTROL:PLAINTEXT' }

  test('names of the operator: upper case, found in the map', () => {
    const { listeners } = parse({
      ...map,
      listeners: 'client://0.0.0.0:9092,Internal://[::1]:0,CONTROL://:9094',
      'advertised.listeners': 'CLIENT://broker-1:19092,INTERNAL://10.0.0.1:0,CONTROL://:9094',
      'inter.broker.listener.name': 'Internal',
      'control.plane.listener.name': 'control',
    })
    expect(listeners.listeners.map(each => [each.listener, each.host, each.port])).toEqual([
      ['CLIENT', '0.0.0.0', 9092],
      ['INTERNAL', '::1', 0],
      ['CONTROL', '', 9094],
    ])
    expect(listeners.interBrokerListener).toBe('INTERNAL')
    expect(listeners.controlPlaneListener).toBe('CONTROL')
    const actual = { hostName: 'me', ports: new Map([['INTERNAL', 4711]]) }
    expect(advertisedEndpoints(listeners, actual).map(each => `${each.host}:${each.port}`)).toEqual([
      'broker-1:19092',
      '10.0.0.1:4711',
      'me:9094',
    ])
  })

  test('one port for two names: refused, but for one IPv4 and one IPv6 address', () => {
    const two = (first: string, second: string): string[] =>
      problemsOf({
        ...map,
        listeners: `CLIENT://${first}:9092,INTERNAL://${second}:9092`,
        'inter.broker.listener.name': 'CLIENT',
      })
    expect(two('127.0.0.1', '[::1]')).toEqual([])
    expect(two('127.0.0.1', '127.0.0.2')).toHaveLength(1)
    expect(two('a', '[::1]')).toHaveLength(1)
  })
})

test.each([
  ['a:1', [{ host: 'a', port: 1 }], ''],
  ['a', [{ host: 'a', port: 2181 }], ''],
  [
    'a:1, b:2/kafka/x',
    [
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
    ],
    '/kafka/x',
  ],
  ['[::1]:7/', [{ host: '::1', port: 7 }], ''],
])('zookeeper.connect: %s', (text, servers, chroot) => {
  expect(parseZookeeperConnect(text)).toEqual({ servers, chroot })
})

test.each(['', 'a:0', 'a:99999', 'a,,b', 'a:1//b', ':1'])('zookeeper.connect: %j: nothing sensible', text => {
  expect(parseZookeeperConnect(text)).toBeNull()
})
