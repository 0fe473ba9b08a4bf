import { deleteTopicsRequest, deleteTopicsResponse } from '@millrace/protocol/messages/20-delete-topics'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import { emptyOf, ZERO_UUID, type Message } from '@millrace/protocol/schema'
import { anyBroker, between, sleep, type Fault, type FaultRow, type Stage } from '../fault.ts'

/** What is asked of the controller is asked again until it is done: the controller may be down, or deposed. */
const patienceMs = 60_000

async function askController<Q, R>(
  { client }: Stage,
  request: Message<Q>,
  response: Message<R>,
  value: Partial<Q>,
): Promise<R> {
  const { controllerId } = await client.metadata(null)
  return client.ask(controllerId, request, response, { ...emptyOf(request), ...value })
}

async function reassign(stage: Stage, partition: number, replicas: readonly number[]): Promise<void> {
  const { topic, client } = stage
  const topics = [{ name: topic, partitions: [{ partitionIndex: partition, replicas: [...replicas] }] }]
  await client.until(
    `${topic}-${partition} on ${replicas.join()}`,
    async () => {
      const known = await client.partition(topic, partition)
      if (known.replicas.join() === replicas.join()) return true
      const request = alterPartitionReassignmentsRequest
      await askController(stage, request, alterPartitionReassignmentsResponse, { topics })
      await sleep(stage, 300)
      return false
    },
    patienceMs,
  )
}

/** A replica leaves its partition, and comes back empty, in another order. */
const moveReplicas: Fault = async (stage, random) => {
  const partition = random.below(stage.partitions)
  const ids = stage.cluster.brokers.map(({ id }) => id)
  const order = ids.map(id => ({ id, key: random.uint32() })).sort((a, b) => a.key - b.key)
  const all = order.map(({ id }) => id)
  const stayMs = between(random, 0, 3000)
  stage.say(`replicas of ${stage.topic}-${partition} move to ${all.slice(0, 2).join()}, then to ${all.join()}`)
  await reassign(stage, partition, all.slice(0, 2))
  await sleep(stage, stayMs)
  await reassign(stage, partition, all)
}

const electPreferred: Fault = async (stage, random) => {
  await sleep(stage, between(random, 0, 1000))
  stage.say('preferred leaders are elected')
  const value = { electionType: 0, topicPartitions: null, timeoutMs: 5000 }
  await askController(stage, electLeadersRequest, electLeadersResponse, value).catch(() => null)
}

let churned = 0

/** Gone means gone: also for the broker that was away, and what is created under the name again is another topic. */
const deleteWhileDown: Fault = async (stage, random) => {
  const name = `churn-${stage.topic}-${++churned}`
  const awayMs = between(random, 500, 6000)
  const { client } = stage
  const create = async (): Promise<string> => {
    // The answer to an earlier attempt may have been lost; or a deletion is still under way, of which metadata says nothing any more.
    const isCreated = async (): Promise<boolean> => {
      try {
        await client.createTopic(name, { partitions: 3 })
        return true
      } catch (error) {
        if (!String(error).includes('TOPIC_ALREADY_EXISTS')) throw error
        return (await client.metadata(name)).topics[0]?.errorCode === 0
      }
    }
    await client.until(`${name} is created`, isCreated, patienceMs)
    let id = ZERO_UUID
    const isKnown = async (): Promise<boolean> => {
      const { topics } = await client.metadata(name)
      id = topics[0]?.topicId ?? ZERO_UUID
      return topics[0]?.errorCode === 0 && topics[0].partitions.every(({ leaderId }) => leaderId >= 0)
    }
    await client.until(`${name} has leaders`, isKnown, patienceMs)
    return id
  }
  const remove = (): Promise<void> => {
    const isGone = async (): Promise<boolean> => {
      const topics = [{ name, topicId: ZERO_UUID }]
      const value = { topics, topicNames: [name], timeoutMs: 5000 }
      await askController(stage, deleteTopicsRequest, deleteTopicsResponse, value)
      return (await client.metadata(name)).topics[0]?.errorCode !== 0
    }
    return client.until(`${name} is deleted`, isGone, patienceMs)
  }
  const first = await create()
  await client.produceUntilAcked(name, 0, ['of the first'], patienceMs)
  const broker = anyBroker(stage, random)
  await stage.victims.with([broker.id], async () => {
    stage.say(`${name} is deleted while ${broker.id} is away for ${awayMs} ms`)
    await broker.kill()
    const removed = remove()
    removed.catch(() => {})
    await sleep(stage, awayMs)
    await broker.startSupervised(patienceMs)
    await removed
  })
  const second = await create()
  if (second === first) stage.fail(`${name} was deleted and created again, and has the same id`)
  const isRead = async (): Promise<boolean> => {
    for (let partition = 0; partition < 3; partition++) {
      const values = await client.readAll(name, partition)
      if (values.length > 0)
        stage.fail(`${name} was created again and is not empty: ${JSON.stringify(values.slice(0, 3))}`)
    }
    return true
  }
  await client.until(`${name} is read`, isRead, patienceMs)
  await remove()
}

export const moves = {
  'move-replicas': { weight: 2, doc: 'reassignment: a replica leaves and comes back', run: moveReplicas },
  'elect-preferred': { weight: 1, doc: 'election of preferred leaders', run: electPreferred },
  'delete-while-down': {
    weight: 1,
    doc: 'a topic is deleted while a broker is away, and created again',
    run: deleteWhileDown,
  },
} satisfies Record<string, FaultRow>
