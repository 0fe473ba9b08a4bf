import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliDecompressSync } from 'node:zlib'
import { Connection } from '@millrace/client/connection/connection'
import { ErrorCode } from '@millrace/protocol/errors'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { emptyOf } from '@millrace/protocol/schema'
import { nodeWorld } from '@millrace/runtime/node/world'
import { startCluster, type Cluster } from '@millrace/testing/cluster/cluster'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { difference } from '../golden/check-group-answers.ts'
import { groupBrokerSettings, groupTopics, znodesOf, type GroupCase, type Stage } from '../golden/group-exchange.ts'
import { describeWith } from '../oracles/describe-with.ts'
import { startZooKeeper, type ZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'

jest.setTimeout(60_000)

/** What a real Kafka answered: test/golden/group-cases/zookeeper-offsets.ts. */
const cases = brotliDecompressSync(readFileSync(join(import.meta.dirname, '../golden/vectors/group-answers.jsonl.br')))
  .toString()
  .split('\n')
  .filter(line => line !== '')
  .map(line => JSON.parse(line) as GroupCase)
  .filter(({ name }) => name.startsWith('v0:'))

/** Offsets of clients of Kafka 0.8, on both implementations of the coordination. */
const suite = (onEnsemble: boolean): void => {
  let zookeeper: ZooKeeperEnsemble | null = null
  let cluster: Cluster
  let client: ClusterClient
  let observer: Coordination
  beforeAll(async () => {
    zookeeper = onEnsemble ? await startZooKeeper() : null
    const properties = { ...groupBrokerSettings, 'zookeeper.session.timeout.ms': '6000' }
    const at = zookeeper === null ? {} : { zookeeper: `${zookeeper.connectString}/millrace` }
    cluster = await startCluster({ brokers: 2, properties, ...at })
    client = new ClusterClient(() => cluster.brokers)
    for (const [topic, partitions] of Object.entries(groupTopics)) {
      await client.createTopic(topic, { partitions, replicas: 1 })
    }
    observer = await cluster.coordination()
  })
  afterAll(async () => {
    await client?.close()
    await cluster?.close()
    await zookeeper?.stop()
  })

  const commit = async (brokerId: number, groupId: string, offset: number): Promise<number> => {
    const partition = { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, committedMetadata: '' }
    const topics = [{ name: 't', partitions: [{ ...partition, commitTimestamp: -1 }] }]
    const request = { ...emptyOf(offsetCommitRequest), groupId, topics }
    const answer = await client.ask(brokerId, offsetCommitRequest, offsetCommitResponse, request, 0)
    return answer.topics[0]!.partitions[0]!.errorCode
  }
  const fetch = async (brokerId: number, groupId: string): Promise<{ errorCode: number; committedOffset: number }> => {
    const request = { ...emptyOf(offsetFetchRequest), groupId, topics: [{ name: 't', partitionIndexes: [0] }] }
    const answer = await client.ask(brokerId, offsetFetchRequest, offsetFetchResponse, request, 0)
    const { errorCode, committedOffset } = answer.topics[0]!.partitions[0]!
    return { errorCode, committedOffset }
  }

  test('what Kafka answered is what is answered', async () => {
    let coordinator = -1
    await client.until('a coordinator', async () => {
      const find = { ...emptyOf(findCoordinatorRequest), coordinatorKeys: ['g'] }
      const { coordinators } = await client.ask(1, findCoordinatorRequest, findCoordinatorResponse, find)
      coordinator = coordinators[0]!.nodeId
      return coordinators[0]!.errorCode === ErrorCode.NONE
    })
    const stage: Stage = {
      connect: () =>
        Connection.open(
          {
            ...{ host: '127.0.0.1', port: cluster.brokers[coordinator - 1]!.port },
            ...{ clientId: 'golden', versions: 'fixed', connectTimeoutMs: 5000, requestTimeoutMs: 10_000 },
          },
          nodeWorld(),
        ),
      during: work => work,
      pass: ms => sleep(ms),
      ...znodesOf(observer),
    }
    expect(cases.length).toBeGreaterThan(5)
    const differences: string[] = []
    for (const each of cases) {
      const why = await difference(each, stage)
      if (why !== null) differences.push(`${each.name}: ${why}`)
    }
    expect(differences).toEqual([])
  })

  test('any broker takes and tells them, also after a restart of all', async () => {
    expect(await commit(1, 'kept', 5)).toBe(ErrorCode.NONE)
    expect(await fetch(2, 'kept')).toEqual({ errorCode: ErrorCode.NONE, committedOffset: 5 })
    expect(await commit(2, 'kept', 6)).toBe(ErrorCode.NONE)
    for (const broker of cluster.brokers) await broker.restart()
    await client.until('the topic is known', async () => (await fetch(1, 'kept')).errorCode === ErrorCode.NONE)
    expect(await fetch(1, 'kept')).toEqual({ errorCode: ErrorCode.NONE, committedOffset: 6 })
  })

  test('many commits at once, of groups that were not there: each one counts', async () => {
    const groups = Array.from({ length: 50 }, (_, index) => `many-${index}`)
    const codes = await Promise.all(groups.flatMap((group, i) => [commit(1, group, i), commit(2, group, i)]))
    expect(new Set(codes)).toEqual(new Set([ErrorCode.NONE]))
    const offsets = await Promise.all(groups.map(group => fetch(1, group)))
    expect(offsets.map(({ committedOffset }) => committedOffset)).toEqual(groups.map((_, index) => index))
  })

  if (!onEnsemble) return
  test('ZooKeeper is gone: an error within the session timeout; it comes back: so do the offsets', async () => {
    expect(await commit(1, 'outage', 7)).toBe(ErrorCode.NONE)
    const [server] = zookeeper!.servers
    server!.kill('SIGKILL')
    await server!.ended()
    const answered = Promise.all([commit(1, 'outage', 8), fetch(1, 'outage')])
    const [code, told] = await Promise.race([answered, sleep(10_000, [null, null] as const, { ref: false })])
    expect(code).toBe(ErrorCode.UNKNOWN_SERVER_ERROR)
    expect(told).toMatchObject({ errorCode: ErrorCode.UNKNOWN_SERVER_ERROR })
    await server!.restart()
    await client.until('back', async () => (await commit(1, 'outage', 9)) === ErrorCode.NONE, 30_000)
    expect(await fetch(1, 'outage')).toEqual({ errorCode: ErrorCode.NONE, committedOffset: 9 })
  })
}

describe('offsets in ZooKeeper (v0), embedded coordination', () => suite(false))
describeWith(['kafka'], 'offsets in ZooKeeper (v0), ensemble coordination', () => suite(true))
