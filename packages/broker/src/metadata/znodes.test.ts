import { expect, test } from '@jest/globals'
import { desanitise, sanitise } from './sanitised-name.ts'
import { MalformedZnode } from './znode.ts'
import {
  brokerZnode,
  configChangeZnode,
  configZnode,
  controllerEpochZnode,
  controllerZnode,
  partitionStateZnode,
  topicZnode,
} from './znodes.ts'

// What Kafka 3.9 writes is checked by test/golden/check-znodes.ts; here what it also reads, and what nobody can.

test('broker znode: version 1: one PLAINTEXT endpoint', () => {
  const data = Buffer.from('{"version":1,"host":"h","port":9092,"jmx_port":7,"timestamp":"5"}')
  expect(brokerZnode.decode(data, '/brokers/ids/1')).toEqual({
    endpoints: [{ listener: 'PLAINTEXT', host: 'h', port: 9092, securityProtocol: 'PLAINTEXT' }],
    rack: null,
    jmxPort: 7,
    timestampMs: 5,
    features: new Map(),
  })
})

test('broker znode: version 3: listeners are named after their protocols', () => {
  const data = Buffer.from(
    '{"version":3,"host":null,"port":-1,"jmx_port":-1,"timestamp":"5","rack":"r","endpoints":["SASL_SSL://[::1]:9"]}',
  )
  const { endpoints, rack } = brokerZnode.decode(data, '/brokers/ids/1')
  expect(endpoints).toEqual([{ listener: 'SASL_SSL', host: '::1', port: 9, securityProtocol: 'SASL_SSL' }])
  expect(rack).toBe('r')
})

test('broker znode: no PLAINTEXT listener, no rack: host null, port -1, no rack', () => {
  const text = brokerZnode
    .encode({
      endpoints: [{ listener: 'X', host: 'h', port: 1, securityProtocol: 'SSL' }],
      rack: null,
      jmxPort: -1,
      timestampMs: 9,
      features: new Map([['f', { minVersion: 1, maxVersion: 2 }]]),
    })
    .toString()
  expect(text).toBe(
    '{"features":{"f":{"min_version":1,"max_version":2}},"listener_security_protocol_map":{"X":"SSL"},"endpoints":["X://h:1"],"jmx_port":-1,"port":-1,"host":null,"version":5,"timestamp":"9"}',
  )
})

test('topic znode: version 1: no id, nothing being reassigned', () => {
  const topic = topicZnode.decode(Buffer.from('{"version":1,"partitions":{"1":[3],"0":[1,2]}}'), '/brokers/topics/t')
  expect(topic).toEqual({
    topicId: null,
    partitions: new Map([
      [0, [1, 2]],
      [1, [3]],
    ]),
    addingReplicas: new Map(),
    removingReplicas: new Map(),
  })
})

test('controller znode: version 1: no KRaft epoch', () => {
  const data = Buffer.from('{"version":1,"brokerid":4,"timestamp":"9","unknown":{}}')
  expect(controllerZnode.decode(data, '/controller').kraftControllerEpoch).toBe(-1)
})

test('config change: version 1: type and name', () => {
  const data = Buffer.from('{"version":1,"entity_type":"topics","entity_name":"t"}')
  expect(configChangeZnode.decode(data, '/config/changes/x')).toBe('topics/t')
})

test('config znode: keys that JavaScript has a meaning for: keys', () => {
  const values = configZnode.decode(Buffer.from('{"version":1,"config":{"__proto__":"1","constructor":"2"}}'), '/p')
  expect([...values]).toEqual([
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
  expect(configZnode.decode(configZnode.encode(values), '/p')).toEqual(values)
})

test.each([
  ['no data', topicZnode, '', 'no data'],
  ['not JSON', topicZnode, '{', 'not JSON'],
  ['another kind of JSON', topicZnode, '[1]', 'data is not a JSON object'],
  ['a key is missing', partitionStateZnode, '{"version":1,"leader":1}', 'leader_epoch is not an integer'],
  ['a value of another type', topicZnode, '{"version":3,"partitions":{"0":"1"}}', '0 is not an array'],
  ['a partition that is no number', topicZnode, '{"version":3,"partitions":{"a":[1]}}', 'has a partition "a"'],
  ['a fraction', partitionStateZnode, '{"version":1,"leader":1.5}', 'leader is not an integer'],
  ['a number beyond the safe ones', controllerZnode, '{"brokerid":9007199254740993}', 'brokerid is not an integer'],
  ['a version from the future', brokerZnode, '{"version":6}', 'version 6 of a broker registration is not known'],
  ['no number', controllerEpochZnode, 'seven', 'unexpected content "seven"'],
] as const)('znode: %s: an error that names the path', (_, znode, text, why) => {
  const decode = (): unknown => znode.decode(Buffer.from(text), '/some/path')
  expect(decode).toThrow(MalformedZnode)
  expect(decode).toThrow(`znode /some/path: `)
  expect(decode).toThrow(why)
})

test.each([
  ['a/b c@x', 'a%2Fb%20c%40x'],
  ['User:alice', 'User%3Aalice'],
  ['a-b_c.d', 'a-b_c.d'],
  ["!'()*~+", '%21%27%28%29%2A%7E%2B'],
  ['grün', 'gr%C3%BCn'],
])('sanitised name: %s', (name, sanitised) => {
  expect(sanitise(name)).toBe(sanitised)
  expect(desanitise(sanitised)).toBe(name)
})
