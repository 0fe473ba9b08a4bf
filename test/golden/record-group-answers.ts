/**
 * Records what Apache Kafka 3.9.1 with ZooKeeper answers to the cases of `group-cases/`: bad input of every group API, and what
 * members see of each other.
 *   node scripts/run.js test/golden/record-group-answers.ts [FILE]
 * Leaves vectors/group-answers.jsonl.br, or FILE.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync } from 'node:zlib'
import { Connection } from '@millrace/client/connection/connection'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { emptyOf } from '@millrace/protocol/schema'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { startKafka } from '../oracles/kafka.ts'
import { eventually } from '../oracles/processes.ts'
import { setUpOracles } from '../oracles/setup.ts'
import { startZooKeeper } from '../oracles/zookeeper-server.ts'
import { administrationCases } from './group-cases/administration.ts'
import { membershipCases } from './group-cases/membership.ts'
import { offsetCases } from './group-cases/offsets.ts'
import { staticCases } from './group-cases/statics.ts'
import { zookeeperOffsetCases } from './group-cases/zookeeper-offsets.ts'
import { groupBrokerSettings, groupTopics, play, znodesOf, type GroupCase, type Stage } from './group-exchange.ts'

const cases: readonly GroupCase[] = [
  ...membershipCases,
  ...staticCases,
  ...offsetCases,
  ...administrationCases,
  ...zookeeperOffsetCases,
]
const names = new Set(cases.map(({ name }) => name))
if (names.size !== cases.length) throw new Error('two cases have one name')

setUpOracles()
const world = nodeWorld()
const zookeeper = await startZooKeeper()
const servers = `${zookeeper.connectString}/kafka`
const kafka = await startKafka({ zookeeper: servers, brokerId: 1, properties: groupBrokerSettings })
const coordination = ensembleCoordination({
  ...{ servers, sessionTimeoutMs: 10_000, connectionTimeoutMs: 10_000, requestsInFlightMax: 10, world },
  logger: silentLogger,
})
await coordination.connect()

const connect = (): Promise<Connection> =>
  Connection.open(
    {
      ...{ host: '127.0.0.1', port: kafka.port, clientId: 'golden', versions: 'fixed' },
      ...{ connectTimeoutMs: 10_000, requestTimeoutMs: 5_000 },
    },
    world,
  )

const stage: Stage = {
  connect,
  during: work => work,
  pass: ms => sleep(ms),
  ...znodesOf(coordination),
}

const connection = await connect()
const topics = [...Object.entries(groupTopics), ['__consumer_offsets', 1] as const]
await eventually(async () => {
  const { brokers } = await connection.request(metadataRequest, metadataResponse, emptyOf(metadataRequest))
  return brokers.length === 1
})
await connection.request(createTopicsRequest, createTopicsResponse, {
  ...emptyOf(createTopicsRequest),
  timeoutMs: 10_000,
  topics: topics.map(([name, numPartitions]) => ({
    ...{ name, numPartitions, replicationFactor: 1, assignments: [] },
    configs: name === '__consumer_offsets' ? [{ name: 'cleanup.policy', value: 'compact' }] : [],
  })),
})
await sleep(2_000)
await connection.close()

const lines: string[] = []
for (const each of cases) {
  try {
    lines.push(JSON.stringify(await play(each, stage)))
  } catch (error) {
    console.error(`${each.name}: ${String(error)}`)
    process.exitCode = 1
  }
}
const file = process.argv[2] ?? join(import.meta.dirname, 'vectors', 'group-answers.jsonl.br')
const text = `${lines.join('\n')}\n`
writeFileSync(file, file.endsWith('.br') ? brotliCompressSync(text) : text)
console.log(`${lines.length} cases, ${text.length} bytes`)
await coordination.close()
await kafka.stop()
await zookeeper.stop()
process.exit()
