import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Connection } from '@millrace/client/connection/connection'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import type { Message } from '@millrace/protocol/schema'
import { completed } from '@millrace/protocol/json'
import { nodeWorld } from '@millrace/runtime/node/world'
import { startKafka, type KafkaBroker } from '../../../test/oracles/kafka.ts'
import { eventually, freePorts } from '../../../test/oracles/processes.ts'
import { BrokerProcesses } from '../failover/broker-processes.ts'

export type Name = 'millrace' | 'kafka'

/** Brokers of one kind, all on core 0. */
export interface ClusterUnderTest {
  readonly name: Name
  readonly ports: readonly number[]
  pid(id: number): number
  output(id: number): string
  start(id: number): Promise<void>
  stop(id: number): Promise<void>
}

interface Options {
  readonly name: Name
  readonly brokers: number
  readonly zookeeper: string
  readonly folder: string
  readonly properties: Readonly<Record<string, string>>
}

export async function startClusterUnderTest(options: Options): Promise<ClusterUnderTest> {
  const { name, brokers, zookeeper, properties } = options
  const folder = join(options.folder, name)
  mkdirSync(folder, { recursive: true })
  const ports = await freePorts(brokers)
  const cluster =
    name === 'kafka'
      ? new KafkaProcesses({ ports, folder, zookeeper, properties })
      : Object.assign(new BrokerProcesses({ ports, folder, zookeeper, properties, core: '0' }), { name })
  for (const index of ports.keys()) await cluster.start(index + 1)
  return cluster
}

class KafkaProcesses implements ClusterUnderTest {
  readonly name = 'kafka'
  readonly ports: readonly number[]
  readonly #options: { folder: string; zookeeper: string; properties: Readonly<Record<string, string>> }
  readonly #brokers: (KafkaBroker | undefined)[] = []

  constructor(options: {
    ports: readonly number[]
    folder: string
    zookeeper: string
    properties: Readonly<Record<string, string>>
  }) {
    this.ports = options.ports
    this.#options = options
  }

  pid(id: number): number {
    return this.#brokers[id]?.process.pid ?? -1
  }

  output(id: number): string {
    return this.#brokers[id]?.process.output() ?? ''
  }

  async start(id: number): Promise<void> {
    const { folder, zookeeper, properties } = this.#options
    this.#brokers[id] = await startKafka({
      ...{ zookeeper, brokerId: id, port: this.ports[id - 1]!, logDirs: join(folder, `broker-${id}`) },
      java: ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC'],
      informative: ['kafka.coordinator.group.GroupMetadataManager'],
      taskset: '0',
      properties: { 'log.cleaner.enable': 'false', ...properties },
    })
  }

  async stop(id: number): Promise<void> {
    await this.#brokers[id]?.stop()
  }
}

export const open = (port: number): Promise<Connection> =>
  Connection.open(
    {
      ...{ host: '127.0.0.1', port, clientId: 'bench', versions: 'negotiate' },
      ...{ connectTimeoutMs: 20_000, requestTimeoutMs: 60_000 },
    },
    nodeWorld(),
  )

/** One question to one broker. */
export async function ask<Request, Response>(
  port: number,
  request: Message<Request>,
  response: Message<Response>,
  fields: Partial<Request>,
): Promise<Response> {
  const connection = await open(port)
  try {
    return await connection.request(request, response, completed(request, fields))
  } finally {
    await connection.close()
  }
}

/** Resolves when all brokers know it; only the controller takes it. */
export async function createTopic(cluster: ClusterUnderTest, topic: string, numPartitions: number): Promise<void> {
  const topics = [{ ...{ name: topic, numPartitions, replicationFactor: 1 }, assignments: [], configs: [] }]
  await eventually(async () => {
    for (const port of cluster.ports) {
      const answer = await ask(port, createTopicsRequest, createTopicsResponse, { topics, timeoutMs: 30_000 })
      if ([0, 36].includes(answer.topics[0]!.errorCode)) return true
    }
    return false
  }, 60_000)
}

/** The broker that coordinates `group`, as soon as there is one. */
export async function coordinatorOf(cluster: ClusterUnderTest, group: string): Promise<number> {
  let id = -1
  await eventually(async () => {
    const fields = { coordinatorKeys: [group] }
    const found = await ask(cluster.ports[0]!, findCoordinatorRequest, findCoordinatorResponse, fields)
    id = found.coordinators[0]?.nodeId ?? -1
    return id >= 0
  }, 60_000)
  return id
}
