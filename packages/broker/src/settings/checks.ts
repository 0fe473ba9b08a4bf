import { codecName } from '@millrace/protocol/compression/codec'
import type { BrokerSettingName, BrokerSettings } from './broker-settings.ts'
import type { Report } from './config-error.ts'
import { logDirectories, logRetentionMs, logRollJitterMs, logRollMs, parseConnectionOverrides } from './derived.ts'
import { parseZookeeperConnect } from './zookeeper-connect.ts'

export interface CheckOptions {
  /** `embedded`: the tree is in this process, and `zookeeper.connect` names nobody. */
  readonly coordination: 'ensemble' | 'embedded'
}

/** What must hold between settings, and what one row cannot say of itself. */
export function checkSettings(
  settings: BrokerSettings,
  given: ReadonlyMap<string, string>,
  options: CheckOptions,
  report: Report,
): void {
  const complain = (key: BrokerSettingName, expectation: string): void =>
    report({ key, value: given.get(key) ?? settings.text(key), expectation })
  checkIdentity(settings, given, complain)
  checkMode(settings, options, complain)
  checkLog(settings, complain)
  checkNetwork(settings, given, complain)
  checkReplication(settings, complain)
  checkGroups(settings, complain)
}

type Complain = (key: BrokerSettingName, expectation: string) => void

function checkIdentity(settings: BrokerSettings, given: ReadonlyMap<string, string>, complain: Complain): void {
  const id = settings.get('broker.id')
  const reserved = settings.get('reserved.broker.max.id')
  if (given.has('broker.id') && given.has('node.id') && settings.get('node.id') !== id) {
    complain('node.id', `expected the value of broker.id, ${id}`)
  }
  if (!settings.get('broker.id.generation.enable')) {
    if (id < 0) complain('broker.id', 'expected 0 or more, since broker.id.generation.enable is false')
  } else if (id < -1 || id > reserved) {
    complain('broker.id', `expected -1 to generate one, or 0 to ${reserved} (reserved.broker.max.id)`)
  }
}

function checkMode(settings: BrokerSettings, options: CheckOptions, complain: Complain): void {
  const kraft = 'expected to be empty: Millrace keeps its metadata in ZooKeeper and has no KRaft'
  if (settings.get('process.roles').length > 0) complain('process.roles', kraft)
  if ((settings.get('controller.listener.names') ?? '') !== '') complain('controller.listener.names', kraft)
  if (settings.get('zookeeper.metadata.migration.enable')) {
    complain('zookeeper.metadata.migration.enable', 'expected false: Millrace stays with ZooKeeper')
  }
  const protocol = settings.get('inter.broker.protocol.version')
  if (!/^3\.9([.-]|$)/.test(protocol)) {
    complain('inter.broker.protocol.version', 'expected 3.9, the only version that Millrace speaks between brokers')
  }
  if (settings.get('zookeeper.set.acl')) {
    complain(
      'zookeeper.set.acl',
      'expected false: only a broker that authenticates to ZooKeeper can keep others from its znodes, which comes with the security issue',
    )
  }
  if (settings.get('zookeeper.ssl.client.enable')) {
    complain('zookeeper.ssl.client.enable', 'expected false: TLS to ZooKeeper comes with the security issue')
  }
  if (options.coordination === 'embedded') return
  const connect = settings.get('zookeeper.connect')
  if (connect === null || connect === '') {
    complain('zookeeper.connect', 'expected the servers of a ZooKeeper ensemble, host:port,host:port/path')
  } else if (parseZookeeperConnect(connect) === null) {
    complain('zookeeper.connect', 'expected host:port,host:port with an optional /path at the end')
  }
}

function checkLog(settings: BrokerSettings, complain: Complain): void {
  if (logDirectories(settings).length === 0) complain('log.dirs', 'expected at least one folder')
  if (logRollMs(settings) < 1) complain('log.roll.ms', 'expected at least 1')
  if (logRollJitterMs(settings) < 0) complain('log.roll.jitter.ms', 'expected at least 0')
  if (logRetentionMs(settings) === 0) complain('log.retention.ms', 'expected -1 (for ever) or at least 1')
  const threads = settings.get('log.cleaner.threads')
  const dedupe = settings.get('log.cleaner.dedupe.buffer.size')
  if (settings.get('log.cleaner.enable') && threads > 0 && dedupe / threads <= 1_048_576) {
    complain('log.cleaner.dedupe.buffer.size', `expected more than 1 MiB for each of ${threads} log.cleaner.threads`)
  }
}

function checkNetwork(settings: BrokerSettings, given: ReadonlyMap<string, string>, complain: Complain): void {
  const queued = settings.get('queued.max.request.bytes')
  const largest = settings.get('socket.request.max.bytes')
  if (queued > 0 && queued < largest) {
    complain(
      'queued.max.request.bytes',
      `expected 0 or less for no limit, or at least socket.request.max.bytes (${largest})`,
    )
  }
  const overrides = parseConnectionOverrides(settings.get('max.connections.per.ip.overrides'))
  if (overrides === null) complain('max.connections.per.ip.overrides', 'expected host:count,host:count')
  if (settings.get('max.connections.per.ip') === 0 && overrides?.size === 0) {
    complain('max.connections.per.ip', 'expected more than 0, unless max.connections.per.ip.overrides names exceptions')
  }
  const idle = settings.get('connections.max.idle.ms')
  if (idle >= 0 && settings.get('connection.failed.authentication.delay.ms') >= idle) {
    complain('connection.failed.authentication.delay.ms', `expected less than connections.max.idle.ms (${idle})`)
  }
  for (const key of ['socket.send.buffer.bytes', 'socket.receive.buffer.bytes'] as const) {
    const size = settings.get(key)
    if (size < -1 || size === 0) complain(key, 'expected -1 (as the operating system has it) or at least 1')
  }
  if (given.has('inter.broker.listener.name') && given.has('security.inter.broker.protocol')) {
    complain('inter.broker.listener.name', 'expected only one of this and security.inter.broker.protocol')
  }
}

function checkReplication(settings: BrokerSettings, complain: Complain): void {
  const wait = settings.get('replica.fetch.wait.max.ms')
  const timeout = settings.get('replica.socket.timeout.ms')
  const lag = settings.get('replica.lag.time.max.ms')
  if (wait > timeout) complain('replica.fetch.wait.max.ms', `expected at most replica.socket.timeout.ms (${timeout})`)
  if (wait > lag) complain('replica.fetch.wait.max.ms', `expected at most replica.lag.time.max.ms (${lag})`)
}

function checkGroups(settings: BrokerSettings, complain: Complain): void {
  if (codecName(settings.get('offsets.topic.compression.codec')) === null) {
    complain('offsets.topic.compression.codec', 'expected 0 to 4: none, gzip, snappy, lz4, zstd')
  }
  const acks = settings.get('offsets.commit.required.acks')
  const replicas = settings.get('offsets.topic.replication.factor')
  if (acks < -1 || acks > replicas) {
    complain('offsets.commit.required.acks', `expected -1 to ${replicas} (offsets.topic.replication.factor)`)
  }
  const protocols = settings.get('group.coordinator.rebalance.protocols')
  if (!protocols.includes('classic') || protocols.length > 1) {
    complain('group.coordinator.rebalance.protocols', 'expected classic: the other protocols need KRaft')
  }
}
