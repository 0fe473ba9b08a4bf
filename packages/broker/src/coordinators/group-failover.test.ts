import { expect, jest, test } from '@jest/globals'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Connection } from '@millrace/client/connection/connection'
import { ErrorCode } from '@millrace/protocol/errors'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { joinGroupRequest, joinGroupResponse } from '@millrace/protocol/messages/11-join-group'
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import { syncGroupRequest, syncGroupResponse } from '@millrace/protocol/messages/14-sync-group'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { decodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { nodeWorld } from '@millrace/runtime/node/world'
import { startCluster, type Cluster } from '@millrace/testing/cluster/cluster'

jest.setTimeout(60_000)

const patienceMs = 30_000

/** One connection per broker that is up. */
class Client {
  readonly #cluster: Cluster
  readonly #connections = new Map<number, Connection>()
  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  async ask<Request extends object, Response>(
    id: number,
    request: Message<Request>,
    response: Message<Response>,
    fields: Partial<Request>,
  ): Promise<Response> {
    return (await this.#to(id)).request(request, response, { ...emptyOf(request), ...fields })
  }

  /** The id of the broker that coordinates `g`, and is not `other`. */
  async coordinator(other = -1): Promise<number> {
    return until(async () => {
      const up = this.#cluster.brokers.find(({ isRunning, id }) => isRunning && id !== other)!
      const fields = { coordinatorKeys: ['g'] }
      const { coordinators } = await this.ask(up.id, findCoordinatorRequest, findCoordinatorResponse, fields)
      const { nodeId, errorCode } = coordinators[0]!
      return errorCode === ErrorCode.NONE && nodeId !== other ? nodeId : null
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.values()].map(connection => connection.close()))
  }

  async #to(id: number): Promise<Connection> {
    const known = this.#connections.get(id)
    if (known !== undefined) return known
    const { port } = this.#cluster.brokers.find(broker => broker.id === id)!
    const connection = await Connection.open(
      {
        ...{ host: '127.0.0.1', port, clientId: 'test', versions: 'negotiate' },
        ...{ connectTimeoutMs: 5000, requestTimeoutMs: patienceMs },
      },
      nodeWorld(),
    )
    this.#connections.set(id, connection)
    return connection
  }
}

/** Asks again until there is an answer. */
async function until<T>(look: () => Promise<T | null>): Promise<T> {
  const { clock, timers } = nodeWorld()
  const endMs = clock.monotonicMs() + patienceMs
  for (;;) {
    const found = await look()
    if (found !== null) return found
    if (clock.monotonicMs() > endMs) throw new Error('gave up')
    await new Promise<void>(resolve => timers.after(20, resolve))
  }
}

/** How far compaction has got with the offsets topic, on the broker where it got least far. */
function compactedOffsets({ brokers }: Cluster): number {
  const offsets = brokers.map(({ logDir }) => {
    const path = join(logDir, 'cleaner-offset-checkpoint')
    const entries = existsSync(path) ? decodeOffsetCheckpoint(readFileSync(path)) : []
    return Math.max(0, ...entries.filter(({ topic }) => topic === '__consumer_offsets').map(({ offset }) => offset))
  })
  return Math.min(...offsets)
}

const busyCleaner = {
  'offsets.topic.segment.bytes': '1000',
  'log.cleaner.backoff.ms': '50',
  'log.cleaner.min.cleanable.ratio': '0.01',
}

test.each([
  ['coordinator killed', {}],
  ['offsets topic compacted on all brokers, coordinator killed', busyCleaner],
])('%s: another broker knows the member, its generation and every committed offset (R=3)', async (_, properties) => {
  const cluster = await startCluster({
    brokers: 3,
    properties: { 'offsets.topic.num.partitions': '3', ...properties },
  })
  const client = new Client(cluster)
  try {
    const topic = { name: 't', numPartitions: 1, replicationFactor: 3, assignments: [], configs: [] }
    const creation = { topics: [topic], timeoutMs: 10_000 }
    // Only the controller creates.
    for (const { id } of cluster.brokers) await client.ask(id, createTopicsRequest, createTopicsResponse, creation)
    const first = await client.coordinator()
    const groupInstanceId = 'i'
    const joined = await until(async () => {
      const answer = await client.ask(first, joinGroupRequest, joinGroupResponse, {
        ...{ groupId: 'g', groupInstanceId, sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 60_000 },
        ...{ protocolType: 'consumer', protocols: [{ name: 'range', metadata: Buffer.from('m') }] },
      })
      return answer.errorCode === ErrorCode.NONE ? answer : null
    })
    const { memberId, generationId } = joined
    const me = { groupId: 'g', memberId, groupInstanceId, generationId }
    const named = { protocolType: 'consumer', protocolName: 'range' }
    const assignments = [{ memberId, assignment: Buffer.from('all') }]
    const synced = await client.ask(first, syncGroupRequest, syncGroupResponse, { ...me, ...named, assignments })
    expect(synced.errorCode).toBe(ErrorCode.NONE)
    const commit = async (offset: number): Promise<number> => {
      const partition = { partitionIndex: 0, committedOffset: offset, committedLeaderEpoch: -1, commitTimestamp: -1 }
      const response = await client.ask(first, offsetCommitRequest, offsetCommitResponse, {
        ...{ groupId: 'g', memberId, groupInstanceId, generationIdOrMemberEpoch: generationId },
        topics: [{ name: 't', partitions: [{ ...partition, committedMetadata: '' }] }],
      })
      return response.topics[0]!.partitions[0]!.errorCode
    }
    // The coordinator hears of the topic a moment after the controller.
    await until(async () => ((await commit(0)) === ErrorCode.NONE ? true : null))
    for (let offset = 1; offset <= 50; offset++) expect(await commit(offset)).toBe(ErrorCode.NONE)
    // The join and the first commits are compacted, on the brokers that take over too.
    if (properties === busyCleaner) await until(async () => (compactedOffsets(cluster) > 25 ? true : null))

    await cluster.brokers.find(({ id }) => id === first)!.kill()
    const next = await client.coordinator(first)
    const offset = await until(async () => {
      const topics = [{ name: 't', partitionIndexes: [0] }]
      const { groups } = await client.ask(next, offsetFetchRequest, offsetFetchResponse, {
        groups: [{ groupId: 'g', memberId: null, memberEpoch: -1, topics }],
      })
      const { errorCode } = groups[0]!
      if (errorCode !== ErrorCode.NONE) {
        expect([ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS]).toContain(errorCode)
        return null
      }
      return groups[0]!.topics[0]!.partitions[0]!.committedOffset
    })
    expect(offset).toBe(50)
    expect((await client.ask(next, heartbeatRequest, heartbeatResponse, me)).errorCode).toBe(ErrorCode.NONE)
    const again = await client.ask(next, syncGroupRequest, syncGroupResponse, { ...me, ...named })
    expect(again.assignment.toString()).toBe('all')
  } finally {
    await client.close()
    await cluster.close()
  }
})
