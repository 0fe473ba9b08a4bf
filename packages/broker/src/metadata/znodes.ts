import { endpointText, parseEndpoint, securityProtocolByName, type Endpoint } from '../settings/endpoint.ts'
import { inPropertiesOrder } from './properties-order.ts'
import { jsonZnode, textZnode, type Json, type JsonObject, type Znode } from './znode.ts'

/*
 * One row per kind of znode: path, encode, decode. Values use our names; the JSON is Kafka 3.9's, keys in its order
 * (its maps of up to four keys keep insertion order, larger ones hash order: either way fixed for fixed keys).
 * Rows whose data is null have a path only.
 */

// --- brokers ---------------------------------------------------------------------------------------------------------

export interface BrokerRegistration {
  readonly endpoints: readonly Endpoint[]
  readonly rack: string | null
  readonly jmxPort: number
  readonly timestampMs: number
  readonly features: ReadonlyMap<string, { readonly minVersion: number; readonly maxVersion: number }>
}

/** Version 5 is written; 1 (one PLAINTEXT endpoint) to 5 are read. */
export const brokerZnode: Znode<[brokerId: number], BrokerRegistration> = jsonZnode({
  path: brokerId => `/brokers/ids/${brokerId}`,
  write: broker => {
    // Clients of Kafka 0.8 read only these two.
    const oldest = broker.endpoints.find(endpoint => endpoint.securityProtocol === 'PLAINTEXT')
    const features = [...broker.features].map(([name, range]): [string, Json] => [
      name,
      { min_version: range.minVersion, max_version: range.maxVersion },
    ])
    return {
      features: new Map(features),
      listener_security_protocol_map: new Map(broker.endpoints.map(each => [each.listener, each.securityProtocol])),
      endpoints: broker.endpoints.map(endpointText),
      ...(broker.rack === null ? {} : { rack: broker.rack }),
      jmx_port: broker.jmxPort,
      port: oldest?.port ?? -1,
      host: oldest?.host ?? null,
      version: 5,
      timestamp: String(broker.timestampMs),
    }
  },
  read: json => {
    const version = json.integer('version')
    if (version < 1 || version > 5) json.fail(`version ${version} of a broker registration is not known`)
    return {
      endpoints: version === 1 ? [readOnlyEndpoint(json)] : readEndpoints(json),
      rack: json.textOrNull('rack'),
      jmxPort: json.integer('jmx_port', -1),
      timestampMs: json.integer('timestamp', 0),
      features: readFeatures(json),
    }
  },
})

const readOnlyEndpoint = (json: JsonObject): Endpoint => ({
  listener: 'PLAINTEXT',
  securityProtocol: 'PLAINTEXT',
  host: json.text('host'),
  port: json.integer('port'),
})

function readEndpoints(json: JsonObject): Endpoint[] {
  // Before version 4 a listener's name was its security protocol.
  const protocols = json.has('listener_security_protocol_map') ? json.object('listener_security_protocol_map') : null
  return json.texts('endpoints').map(text => {
    const endpoint = parseEndpoint(text) ?? json.fail(`${JSON.stringify(text)} is not an endpoint`)
    const name = protocols?.text(endpoint.listener, '') ?? endpoint.listener
    const securityProtocol = securityProtocolByName(name)
    if (securityProtocol === undefined) json.fail(`listener ${endpoint.listener} has no known security protocol`)
    return { ...endpoint, securityProtocol }
  })
}

function readFeatures(json: JsonObject): BrokerRegistration['features'] {
  if (!json.has('features')) return new Map()
  const features = json.object('features')
  return new Map(
    features.keys().map(name => {
      const range = features.object(name)
      return [name, { minVersion: range.integer('min_version'), maxVersion: range.integer('max_version') }]
    }),
  )
}

export const brokersZnode = { path: () => '/brokers/ids' }
/** Writing it hands out broker ids: the new version is the number. Its data stays empty. */
export const brokerSequenceZnode = { path: () => '/brokers/seqid' }

// --- controller and cluster ------------------------------------------------------------------------------------------

export interface ControllerRegistration {
  readonly brokerId: number
  readonly timestampMs: number
  /** -1, or above 0 while a KRaft controller migrates this cluster. */
  readonly kraftControllerEpoch: number
}

export const controllerZnode: Znode<[], ControllerRegistration> = jsonZnode({
  path: () => '/controller',
  write: value => ({
    version: 2,
    brokerid: value.brokerId,
    timestamp: String(value.timestampMs),
    kraftControllerEpoch: value.kraftControllerEpoch,
  }),
  read: json => ({
    brokerId: json.integer('brokerid'),
    timestampMs: json.integer('timestamp', 0),
    kraftControllerEpoch: json.integer('kraftControllerEpoch', -1),
  }),
})

const integerText = (text: string): number | undefined => (/^[+-]?\d+$/.test(text) ? Number(text) : undefined)

export const controllerEpochZnode: Znode<[], number> = textZnode({
  path: () => '/controller_epoch',
  write: String,
  read: integerText,
})

export const clusterIdZnode: Znode<[], string> = jsonZnode({
  path: () => '/cluster/id',
  write: id => ({ version: '1', id }),
  read: json => json.text('id'),
})

export interface FinalizedFeatures {
  readonly isEnabled: boolean
  readonly maxVersionLevels: ReadonlyMap<string, number>
}

export const featureZnode: Znode<[], FinalizedFeatures> = jsonZnode({
  path: () => '/feature',
  write: value => ({
    features: new Map([...value.maxVersionLevels].map(([name, level]) => [name, { max_version_level: level }])),
    version: 2,
    status: value.isEnabled ? 1 : 0,
  }),
  read: json => {
    const features = json.object('features')
    return {
      isEnabled: json.integer('status') === 1,
      maxVersionLevels: new Map(
        features.keys().map(name => [name, features.object(name).integer('max_version_level')]),
      ),
    }
  },
})

export interface ProducerIdBlock {
  readonly brokerId: number
  readonly firstProducerId: number
  /** Inclusive. */
  readonly lastProducerId: number
}

/** Empty until the first block is taken. */
export const producerIdBlockZnode: Znode<[], ProducerIdBlock> = jsonZnode({
  path: () => '/latest_producer_id_block',
  write: block => ({
    version: 1,
    broker: block.brokerId,
    block_start: String(block.firstProducerId),
    block_end: String(block.lastProducerId),
  }),
  read: json => ({
    brokerId: json.integer('broker'),
    firstProducerId: json.integer('block_start'),
    lastProducerId: json.integer('block_end'),
  }),
})

// --- topics ----------------------------------------------------------------------------------------------------------

export interface TopicAssignment {
  /** 22 characters; null where the topic was made before topic ids (KIP-516). */
  readonly topicId: string | null
  /** Replicas by partition, the preferred leader first. */
  readonly partitions: ReadonlyMap<number, readonly number[]>
  /** Only partitions that are being reassigned. */
  readonly addingReplicas: ReadonlyMap<number, readonly number[]>
  readonly removingReplicas: ReadonlyMap<number, readonly number[]>
}

const replicaLists = (lists: ReadonlyMap<number, readonly number[]>): ReadonlyMap<string, Json> =>
  new Map([...lists].map(([partition, replicas]) => [String(partition), replicas]))

function readReplicaLists(json: JsonObject, key: string): Map<number, readonly number[]> {
  if (!json.has(key)) return new Map()
  const lists = json.object(key)
  return new Map(
    lists.keys().map(name => {
      const partition = integerText(name) ?? json.fail(`${key} has a partition ${JSON.stringify(name)}`)
      return [partition, lists.integers(name)]
    }),
  )
}

export const topicsZnode = { path: () => '/brokers/topics' }

export const topicZnode: Znode<[topic: string], TopicAssignment> = jsonZnode({
  path: topic => `/brokers/topics/${topic}`,
  write: topic => ({
    partitions: replicaLists(topic.partitions),
    ...(topic.topicId === null ? {} : { topic_id: topic.topicId }),
    adding_replicas: replicaLists(topic.addingReplicas),
    removing_replicas: replicaLists(topic.removingReplicas),
    version: 3,
  }),
  read: json => ({
    topicId: json.textOrNull('topic_id'),
    partitions: readReplicaLists(json, 'partitions'),
    addingReplicas: readReplicaLists(json, 'adding_replicas'),
    removingReplicas: readReplicaLists(json, 'removing_replicas'),
  }),
})

export const topicPartitionsZnode = { path: (topic: string) => `/brokers/topics/${topic}/partitions` }
export const topicPartitionZnode = {
  path: (topic: string, partition: number) => `/brokers/topics/${topic}/partitions/${partition}`,
}

export interface PartitionStateValue {
  /** -1: nobody. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly inSyncReplicas: readonly number[]
  readonly controllerEpoch: number
  /** True between an unclean election and the leader's word that it has recovered (KIP-704). */
  readonly isRecovering: boolean
}

/** The version of this znode is the partition epoch. */
export const partitionStateZnode: Znode<[topic: string, partition: number], PartitionStateValue> = jsonZnode({
  path: (topic, partition) => `/brokers/topics/${topic}/partitions/${partition}/state`,
  write: state => ({
    controller_epoch: state.controllerEpoch,
    leader: state.leader,
    version: 1,
    ...(state.isRecovering ? { leader_recovery_state: 1 } : {}),
    leader_epoch: state.leaderEpoch,
    isr: state.inSyncReplicas,
  }),
  read: json => ({
    leader: json.integer('leader'),
    leaderEpoch: json.integer('leader_epoch'),
    inSyncReplicas: json.integers('isr'),
    controllerEpoch: json.integer('controller_epoch'),
    isRecovering: json.integer('leader_recovery_state', 0) === 1,
  }),
})

// --- configs ---------------------------------------------------------------------------------------------------------

export type ConfigEntityType = 'topics' | 'brokers' | 'clients' | 'users' | 'ips'
export const defaultEntity = '<default>'

export const configTypeZnode = { path: (type: ConfigEntityType) => `/config/${type}` }

/** Values in the order of Java's Properties, which is how Kafka holds them. `entity` is sanitised where its type asks for it. */
export const configZnode: Znode<[entityPath: string], ReadonlyMap<string, string>> = jsonZnode({
  path: entityPath => `/config/${entityPath}`,
  write: values => ({ version: 1, config: inPropertiesOrder(values) }),
  read: json => {
    if (json.integer('version') !== 1) json.fail('unknown version of a config')
    const config = json.object('config')
    return new Map(config.keys().map(key => [key, config.text(key)]))
  },
})

export const configChangesZnode = { path: () => '/config/changes' }
/** Sequential: ZooKeeper appends the number. */
export const configChangePrefix = '/config/changes/config_change_'

/** `topics/orders`, `brokers/<default>`, `users/alice/clients/app`: the part after `/config/`. */
export const configChangeZnode: Znode<[name: string], string> = jsonZnode({
  path: name => `/config/changes/${name}`,
  write: entityPath => ({ version: 2, entity_path: entityPath }),
  read: json => {
    const version = json.integer('version')
    if (version === 2) return json.text('entity_path')
    if (version !== 1) return json.fail(`unknown version ${version} of a config change`)
    const type = json.text('entity_type')
    if (type !== 'topics' && type !== 'clients') json.fail(`unexpected entity type ${type}`)
    return `${type}/${json.text('entity_name')}`
  },
})

// --- requests to the controller and its notifications ----------------------------------------------------------------

export const deleteTopicsZnode = { path: () => '/admin/delete_topics' }
export const deleteTopicZnode = { path: (topic: string) => `/admin/delete_topics/${topic}` }

export interface NamedPartition {
  readonly topic: string
  readonly partition: number
}

const namedPartitions = (partitions: readonly NamedPartition[]): Json => ({
  version: 1,
  partitions: partitions.map(({ topic, partition }) => ({ topic, partition })),
})
const readNamedPartitions = (json: JsonObject): NamedPartition[] =>
  json.objects('partitions').map(each => ({ topic: each.text('topic'), partition: each.integer('partition') }))

export interface RequestedReassignment extends NamedPartition {
  readonly replicas: readonly number[]
}

/** How tools of old asked for a reassignment. */
export const reassignPartitionsZnode: Znode<[], readonly RequestedReassignment[]> = jsonZnode({
  path: () => '/admin/reassign_partitions',
  write: partitions => ({
    version: 1,
    partitions: partitions.map(({ topic, partition, replicas }) => ({ topic, partition, replicas })),
  }),
  read: json =>
    json.objects('partitions').map(each => ({
      topic: each.text('topic'),
      partition: each.integer('partition'),
      replicas: each.integers('replicas'),
    })),
})

/** How tools of old asked for preferred leaders. */
export const preferredElectionZnode: Znode<[], readonly NamedPartition[]> = jsonZnode({
  path: () => '/admin/preferred_replica_election',
  write: namedPartitions,
  read: readNamedPartitions,
})

export const isrChangesZnode = { path: () => '/isr_change_notification' }
/** Written only by brokers that predate AlterPartition. */
export const isrChangeZnode: Znode<[name: string], readonly NamedPartition[]> = jsonZnode({
  path: name => `/isr_change_notification/${name}`,
  write: namedPartitions,
  read: readNamedPartitions,
})

export const logDirEventsZnode = { path: () => '/log_dir_event_notification' }
/** Sequential. */
export const logDirEventPrefix = '/log_dir_event_notification/log_dir_event_'

/** A broker lost a log directory; the value is that broker. */
export const logDirEventZnode: Znode<[name: string], number> = jsonZnode({
  path: name => `/log_dir_event_notification/${name}`,
  write: brokerId => ({ version: 1, broker: brokerId, event: 1 }),
  read: json => json.integer('broker'),
})

/** An offset that a client of Kafka 0.8 committed to ZooKeeper. */
export const consumerOffsetZnode: Znode<[group: string, topic: string, partition: number], number> = textZnode({
  path: (group, topic, partition) => `/consumers/${group}/offsets/${topic}/${partition}`,
  write: String,
  read: text => {
    const offset = integerText(text)
    return offset !== undefined && Number.isSafeInteger(offset) ? offset : undefined
  },
})
