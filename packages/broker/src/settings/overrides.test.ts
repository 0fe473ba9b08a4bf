import { expect, test } from '@jest/globals'
import { silentLogger, type Logger } from '@millrace/runtime/logger'
import { LiveBrokerSettings } from './overrides.ts'
import { parseBrokerSettings } from './parse.ts'

function live(given: Record<string, string> = {}, logger: Logger = silentLogger): LiveBrokerSettings {
  const { settings } = parseBrokerSettings(new Map(Object.entries({ 'zookeeper.connect': 'z', ...given })))
  return new LiveBrokerSettings({ file: settings, brokerId: 3, logger })
}
const values = (of: Record<string, string>): Map<string, string> => new Map(Object.entries(of))

test('dynamic settings: this broker over all brokers over the file over the default', () => {
  const settings = live({ 'log.segment.bytes': '100' })
  expect(settings.get('log.segment.bytes')).toBe(100)
  settings.applyClusterDefault(values({ 'log.segment.bytes': '200' }))
  expect(settings.get('log.segment.bytes')).toBe(200)
  settings.applyPerBroker(values({ 'log.segment.bytes': '300' }))
  expect(settings.get('log.segment.bytes')).toBe(300)
  settings.applyClusterDefault(values({ 'log.segment.bytes': '250' }))
  expect(settings.get('log.segment.bytes')).toBe(300)
  settings.applyPerBroker(values({}))
  expect(settings.get('log.segment.bytes')).toBe(250)
  settings.applyClusterDefault(values({}))
  expect(settings.get('log.segment.bytes')).toBe(100)
})

test('dynamic settings: listeners: told what changed, and only when something did', () => {
  const settings = live()
  const told: string[][] = []
  const stop = settings.onChange(changed => told.push([...changed]))
  settings.applyClusterDefault(values({ 'max.connections': '5', 'log.retention.ms': '1' }))
  settings.applyClusterDefault(values({ 'max.connections': '5', 'log.retention.ms': '1' }))
  settings.applyPerBroker(values({ 'max.connections': '5' }))
  settings.applyPerBroker(values({ 'max.connections': '6' }))
  stop()
  settings.applyPerBroker(values({}))
  expect(told).toEqual([['max.connections', 'log.retention.ms'], ['max.connections']])
})

test('dynamic settings: stored values that make no sense: left out and logged, the others in force', () => {
  const warnings: unknown[] = []
  const settings = live({}, { ...silentLogger, warn: (_, fields) => warnings.push(fields?.['key']) })
  settings.applyClusterDefault(
    values({ 'log.segment.bytes': '1', 'broker.rack': 'r', listeners: 'x', 'message.max.bytes': '7' }),
  )
  expect(settings.get('message.max.bytes')).toBe(7)
  expect(settings.get('log.segment.bytes')).toBe(1_073_741_824)
  expect(settings.get('broker.rack')).toBeNull()
  expect(warnings).toEqual(['log.segment.bytes', 'broker.rack', 'listeners'])
})

test('dynamic settings: stored thread counts: in force at once, however far from those of the file', () => {
  const settings = live({ 'num.io.threads': '8' })
  settings.applyPerBroker(values({ 'num.io.threads': '64' }))
  expect(settings.get('num.io.threads')).toBe(64)
})

test('dynamic settings: broker.id: as resolved', () => {
  expect(live().get('broker.id')).toBe(3)
})

test.each<[boolean, Record<string, string>, string | null]>([
  [true, { 'max.connections': '5' }, null],
  [false, { 'max.connections': '5', 'some.plugin': 'x' }, null],
  [false, { 'leader.replication.throttled.rate': '2000' }, null],
  [
    true,
    { 'broker.rack': 'r', 'log.dirs': '/x' },
    'Cannot update these configs dynamically: Set(broker.rack, log.dirs)',
  ],
  [true, { 'log.retention.hours': '1' }, 'Cannot update these configs dynamically: Set(log.retention.hours)'],
  [
    true,
    { 'ssl.keystore.type': 'PEM' },
    'These security configs can be dynamically updated only per-listener using the listener prefix: Set(ssl.keystore.type)',
  ],
  [
    false,
    { 'ssl.protocol': 'TLSv1.3' },
    'Cannot update these configs at default cluster level, broker id must be specified: Set(ssl.protocol)',
  ],
  [false, { 'listener.name.x.ssl.protocol': 'y' }, 'broker id must be specified'],
  [false, { 'listener.name.x.max.connections': '4' }, null],
  [true, { 'listener.name.x.ssl.keystore.password': 'y' }, 'Passwords are stored encrypted'],
  [true, { listeners: 'PLAINTEXT://:1' }, 'Changing listeners while running is not built yet'],
  [
    true,
    { 'log.segment.bytes': '13' },
    'Invalid value 13 for configuration log.segment.bytes: Value must be at least 14',
  ],
  [true, { 'num.io.threads': '17' }, 'value should not be greater than double the current value 8'],
  [true, { 'num.io.threads': '3' }, 'value should be at least half the current value 8'],
  [true, { 'num.io.threads': '16' }, null],
  [true, { 'log.cleaner.dedupe.buffer.size': '1000' }, 'must be at least 1MB per cleaner thread'],
  [true, { 'max.connections.per.ip': '0' }, 'can be set to zero only if'],
])('dynamic settings: perBroker=%s %j: %s', (isPerBroker, given, problem) => {
  const validate = (): void => live().validate(values(given), isPerBroker)
  if (problem === null) expect(validate).not.toThrow()
  else expect(validate).toThrow(problem)
})
