import {
  brokerZnode,
  clusterIdZnode,
  configChangeZnode,
  configZnode,
  consumerOffsetZnode,
  controllerEpochZnode,
  controllerZnode,
  featureZnode,
  isrChangeZnode,
  logDirEventZnode,
  partitionStateZnode,
  preferredElectionZnode,
  producerIdBlockZnode,
  reassignPartitionsZnode,
  topicZnode,
} from '@millrace/broker/metadata/znodes'
import {
  delegationTokenZnode,
  literalAclChangeZnode,
  literalAclZnode,
  prefixedAclChangeZnode,
  prefixedAclZnode,
  tokenChangeZnode,
} from '@millrace/broker/metadata/security-znodes'
import type { Checker } from './checker.ts'
import { jsonDifference } from './json-difference.ts'

/** `znodes.json`: what Kafka wrote to ZooKeeper, step by step. Every data is decoded and encoded again: the same text must come out. */
export const checker: Checker = {
  format: 'znodes',

  recognizes: first => Array.isArray(first['steps']) && typeof first['zookeeper'] === 'string',

  check({ vectors }, report) {
    for (const { line, value } of vectors) {
      for (const { step, name, changed, transactions } of (value as unknown as Recording).steps) {
        for (const { path, data } of [...changed, ...(transactions ?? []).flatMap(writesOf)]) {
          if (data === null || data === undefined || data === '') continue
          const row = rows.find(each => each.path.test(path))
          if (row === undefined) {
            // ZooKeeper's own are nobody's to build.
            if (!path.startsWith('/zookeeper/')) report.notBuilt(path)
            continue
          }
          const { type, znode } = row
          const why = mismatch(znode, data, path)
          if (why === null) report.passed(type)
          else report.failed(type, { line, subject: `step ${step} ${name}, ${path}`, why })
        }
      }
    }
  },
}

interface Recording {
  readonly steps: readonly {
    readonly step: number
    readonly name: string
    readonly changed: readonly Write[]
    readonly transactions?: readonly Transaction[]
  }[]
}
interface Write {
  readonly path: string
  readonly data?: string | null
}
interface Transaction {
  readonly op: string
  readonly path?: string
  readonly data?: string | null
  readonly ops?: readonly Transaction[]
}

function writesOf(transaction: Transaction): Write[] {
  if (transaction.ops !== undefined) return transaction.ops.flatMap(writesOf)
  const { path, data } = transaction
  return path === undefined ? [] : [{ path, data: data ?? null }]
}

interface AnyZnode {
  encode(value: never): Buffer
  decode(data: Uint8Array, path: string): unknown
}

const rows: readonly { readonly type: string; readonly path: RegExp; readonly znode: AnyZnode }[] = [
  { type: 'broker', path: /^\/brokers\/ids\/\d+$/, znode: brokerZnode },
  { type: 'controller', path: /^\/controller$/, znode: controllerZnode },
  { type: 'controller-epoch', path: /^\/controller_epoch$/, znode: controllerEpochZnode },
  { type: 'cluster-id', path: /^\/cluster\/id$/, znode: clusterIdZnode },
  { type: 'feature', path: /^\/feature$/, znode: featureZnode },
  { type: 'producer-id-block', path: /^\/latest_producer_id_block$/, znode: producerIdBlockZnode },
  { type: 'topic', path: /^\/brokers\/topics\/[^/]+$/, znode: topicZnode },
  { type: 'partition-state', path: /^\/brokers\/topics\/[^/]+\/partitions\/\d+\/state$/, znode: partitionStateZnode },
  { type: 'config-change', path: /^\/config\/changes\/config_change_\d*$/, znode: configChangeZnode },
  { type: 'config', path: /^\/config\/(topics|brokers|clients|users|ips)\/.+$/, znode: configZnode },
  { type: 'reassign-partitions', path: /^\/admin\/reassign_partitions$/, znode: reassignPartitionsZnode },
  { type: 'preferred-election', path: /^\/admin\/preferred_replica_election$/, znode: preferredElectionZnode },
  { type: 'isr-change', path: /^\/isr_change_notification\/isr_change_\d*$/, znode: isrChangeZnode },
  { type: 'log-dir-event', path: /^\/log_dir_event_notification\/log_dir_event_\d*$/, znode: logDirEventZnode },
  { type: 'consumer-offset', path: /^\/consumers\/[^/]+\/offsets\/[^/]+\/\d+$/, znode: consumerOffsetZnode },
  { type: 'acl', path: /^\/kafka-acl\/[^/]+\/[^/]+$/, znode: literalAclZnode },
  { type: 'acl-prefixed', path: /^\/kafka-acl-extended\/prefixed\/[^/]+\/[^/]+$/, znode: prefixedAclZnode },
  { type: 'acl-change', path: /^\/kafka-acl-changes\/acl_changes_\d*$/, znode: literalAclChangeZnode },
  {
    type: 'acl-prefixed-change',
    path: /^\/kafka-acl-extended-changes\/acl_changes_\d*$/,
    znode: prefixedAclChangeZnode,
  },
  { type: 'delegation-token', path: /^\/delegation_token\/tokens\/[^/]+$/, znode: delegationTokenZnode },
  { type: 'token-change', path: /^\/delegation_token\/token_changes\/token_change_\d*$/, znode: tokenChangeZnode },
]

function mismatch(znode: AnyZnode, expected: string, path: string): string | null {
  let actual: string
  try {
    actual = znode.encode(znode.decode(Buffer.from(expected), path) as never).toString()
  } catch (error) {
    return String(error)
  }
  if (actual === expected) return null
  const why = differenceOf(expected, actual)
  if (why !== null) return why
  // Kafka's maps of more than four data keys come in hash order; ours in the order of their numbers.
  return hasLargeMap(JSON.parse(expected)) ? null : `keys in another order: should be ${expected}, is ${actual}`
}

function differenceOf(expected: string, actual: string): string | null {
  try {
    return jsonDifference(JSON.parse(expected), JSON.parse(actual))
  } catch {
    return `should be ${expected}, is ${actual}`
  }
}

/** Keys that are data: partitions, listeners, settings. Those of the format itself always have the same order. */
const dataMaps = ['partitions', 'adding_replicas', 'removing_replicas', 'listener_security_protocol_map', 'features']

function hasLargeMap(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(
    ([key, member]) =>
      dataMaps.includes(key) &&
      typeof member === 'object' &&
      member !== null &&
      Object.keys(member as object).length > 4,
  )
}
