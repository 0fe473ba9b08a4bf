import { ErrorCode, errorName } from '@millrace/protocol/errors'
import { encodeAssignment, encodeSubscription } from '@millrace/protocol/internal/consumer-metadata'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { joinGroupRequest, joinGroupResponse, type JoinGroupResponse } from '@millrace/protocol/messages/11-join-group'
import { syncGroupRequest, syncGroupResponse } from '@millrace/protocol/messages/14-sync-group'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { batchOf, produceOf } from '@millrace/testing/data-path/requests'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'

/** What both brokers run with. */
export const stageProperties: Readonly<Record<string, string>> = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '1',
}

/** The first record of each partition is from here, one more each minute. */
export const firstMs = Date.UTC(2020, 0, 1)
const minuteMs = 60_000
const topics = { orders: 3, lines: 1 } as const
const recordsPerPartition = 10
/** Nobody heartbeats: longer than anything takes here. */
const sessionTimeoutMs = 600_000

/** Sets up what the tool is then used on, at the one broker (id 1) that listens on `port`: the same at Kafka's and at ours. */
export class Stage {
  readonly #client: ClusterClient
  /** A request that waits for others holds up its connection: one for each member. */
  readonly #others: ClusterClient[] = []
  readonly #open: () => ClusterClient

  constructor(port: number) {
    this.#open = () => new ClusterClient(() => [{ id: 1, port, isRunning: true }])
    this.#client = this.#open()
  }

  /** Old records in all topics, and in `lines` as many of now. */
  async fill(): Promise<void> {
    for (const [topic, partitions] of Object.entries(topics)) {
      const configs = { 'retention.ms': '-1', 'message.timestamp.type': 'CreateTime' }
      await this.#client.createTopic(topic, { partitions, replicas: 1, configs })
      for (let partition = 0; partition < partitions; partition++) {
        for (let number = 0; number < recordsPerPartition; number++) {
          await this.#produce(topic, partition, firstMs + number * minuteMs)
        }
      }
    }
    for (let number = 0; number < recordsPerPartition; number++) await this.#produce('lines', 0, Date.now())
    await this.#client.until(
      'a coordinator',
      async () => {
        const find = { ...emptyOf(findCoordinatorRequest), coordinatorKeys: ['any'] }
        const { coordinators } = await this.#ask(findCoordinatorRequest, findCoordinatorResponse, find)
        return coordinators[0]!.errorCode === ErrorCode.NONE
      },
      30_000,
    )
  }

  /** Offsets of a group without members: `{ 'orders 0': 2 }`. */
  async commit(groupId: string, offsets: Readonly<Record<string, number>>): Promise<void> {
    const rows = Object.entries(offsets).map(([topicPartition, committedOffset]) => {
      const [name = '', partition] = topicPartition.split(' ')
      const row = { partitionIndex: Number(partition), committedOffset, committedLeaderEpoch: -1 }
      return { name, partitions: [{ ...row, committedMetadata: '', commitTimestamp: -1 }] }
    })
    const request = { ...emptyOf(offsetCommitRequest), groupId, topics: rows }
    await this.#client.until('committed', async () => {
      const { topics: answered } = await this.#ask(offsetCommitRequest, offsetCommitResponse, request)
      return answered.every(({ partitions }) => partitions.every(({ errorCode }) => errorCode === ErrorCode.NONE))
    })
  }

  /** Two members of `groupId`, a dynamic and a static one, share `orders`. */
  async join(groupId: string): Promise<void> {
    const [first, second] = [this.#open(), this.#open()]
    this.#others.push(first, second)
    const alone = await this.#join(first, groupId, {})
    const joining = this.#join(second, groupId, { groupInstanceId: 'instance-2' })
    // It waits for the first one, which is only asked once the second is there.
    await new Promise(resolve => setTimeout(resolve, 200))
    const { generationId, memberId } = await this.#join(first, groupId, { memberId: alone.memberId })
    const { memberId: otherId } = await joining
    const part = (...partitions: readonly number[]): Buffer =>
      encodeAssignment(0, partitions.map(partition => ({ topic: 'orders', partition })), null) // prettier-ignore
    const assignments = [
      { memberId, assignment: part(0, 2) },
      { memberId: otherId, assignment: part(1) },
    ]
    await this.#sync(first, { groupId, generationId, memberId, assignments })
    await this.#sync(second, { groupId, generationId, memberId: otherId, groupInstanceId: 'instance-2' })
  }

  async close(): Promise<void> {
    await Promise.all([this.#client, ...this.#others].map(client => client.close()))
  }

  async #produce(topic: string, partition: number, timestamp: number): Promise<void> {
    const request = produceOf(topic, batchOf(['text'], { timestamp }), { partition })
    await this.#client.until(`a record of ${topic}-${partition}`, async () => {
      const { responses } = await this.#ask(produceRequest, produceResponse, request)
      return responses[0]!.partitionResponses[0]!.errorCode === ErrorCode.NONE
    })
  }

  async #join(client: ClusterClient, groupId: string, fields: object): Promise<JoinGroupResponse> {
    const metadata = encodeSubscription(0, {
      ...{ topics: ['orders'], userData: null, ownedPartitions: [], generationId: -1, rackId: null },
    })
    const usual = { groupId, sessionTimeoutMs, rebalanceTimeoutMs: sessionTimeoutMs, protocolType: 'consumer' }
    const request = { ...emptyOf(joinGroupRequest), ...usual, protocols: [{ name: 'range', metadata }], ...fields }
    // 3: in at once, without being asked to come back with an id (KIP-394). 5: the first with static members.
    const version = 'groupInstanceId' in fields ? 5 : 3
    const joined = await client.ask(1, joinGroupRequest, joinGroupResponse, request, version)
    if (joined.errorCode !== ErrorCode.NONE) throw new Error(`join: ${errorName(joined.errorCode)}`)
    return joined
  }

  async #sync(client: ClusterClient, fields: object): Promise<void> {
    const request = { ...emptyOf(syncGroupRequest), ...fields }
    const { errorCode } = await client.ask(1, syncGroupRequest, syncGroupResponse, request, 3)
    if (errorCode !== ErrorCode.NONE) throw new Error(`sync: ${errorName(errorCode)}`)
  }

  #ask<Q, R>(request: Message<Q>, response: Message<R>, value: Q): Promise<R> {
    return this.#client.ask(1, request, response, value)
  }
}
