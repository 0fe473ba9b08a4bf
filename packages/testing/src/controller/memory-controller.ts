import type { ControlRequest } from '@millrace/broker/core/controller/control-request'
import { ControllerState } from '@millrace/broker/core/controller/controller-state'
import type { RegisteredBroker, TopicSnapshot } from '@millrace/broker/core/controller/controller-state'
import type { ControllerEvent } from '@millrace/broker/core/controller/event'
import { settledAssignment } from '@millrace/broker/core/controller/leadership'
import type { Leadership, ReplicaAssignment } from '@millrace/broker/core/controller/leadership'
import { plan } from '@millrace/broker/core/controller/plan'
import type { ReassignmentRequest } from '@millrace/broker/core/controller/reassignment'
import type {
  PartitionName,
  Plan,
  Step,
  StepAnswer,
  Write,
  WriteOutcome,
} from '@millrace/broker/core/controller/plan-step'

/** A topic as ZooKeeper would hold it. */
interface StoredTopic {
  readonly topicId: string
  assignment: Map<number, ReplicaAssignment>
  readonly states: Map<number, Leadership>
}

/** The part of ZooKeeper that plans read and write: survives the controllers. */
export class MemoryZnodes {
  readonly topics = new Map<string, StoredTopic>()
  readonly markers = new Set<string>()
  readonly uncleanTopics = new Set<string>()
  brokers: readonly RegisteredBroker[] = []
  /** What old tools wrote under /admin; null: nothing. */
  reassignments: readonly ReassignmentRequest[] | null = null
  elections: readonly PartitionName[] | null = null
  controllerEpoch = 0
  #topicCount = 0

  createTopic(name: string, replicas: readonly (readonly number[])[]): void {
    const topicId = `topic-id-${String(++this.#topicCount).padStart(13, '0')}`
    const assignment = new Map(replicas.map((list, partition) => [partition, settledAssignment(list)]))
    this.topics.set(name, { topicId, assignment, states: new Map() })
  }

  addPartition(name: string, replicas: readonly number[]): void {
    const topic = this.topics.get(name)!
    topic.assignment = new Map([...topic.assignment, [topic.assignment.size, settledAssignment(replicas)]])
  }

  state(name: string, partition: number): Leadership | null {
    return this.topics.get(name)?.states.get(partition) ?? null
  }

  snapshot(name: string): TopicSnapshot {
    const { topicId, assignment, states } = this.topics.get(name)!
    return { name, topicId, partitions: new Map(assignment), leadership: new Map(states) }
  }
}

export class Deposed extends Error {
  override readonly name = 'Deposed'
}

/** One controller's term over `MemoryZnodes`: runs plans, answers their steps, writes down what they did. */
export class MemoryController {
  readonly znodes: MemoryZnodes
  readonly state: ControllerState
  readonly requests: ControlRequest[] = []
  readonly writes: Write[] = []
  readonly notes: string[] = []
  /** Called before a batch of writes is applied: what someone else does in between. */
  onWrite: ((writes: readonly Write[]) => void) | null = null
  /** Called with what was applied. */
  onApplied: ((write: Write) => void) | null = null

  /** Takes office: the epoch in `znodes` goes up by one. `elect` then tells the plan. */
  constructor(znodes: MemoryZnodes, options: { brokerId?: number; deleteTopics?: boolean } = {}) {
    this.znodes = znodes
    this.state = new ControllerState({
      brokerId: options.brokerId ?? 1,
      controllerEpoch: ++znodes.controllerEpoch,
      interBrokerListener: 'INTERNAL',
      deleteTopics: options.deleteTopics ?? true,
    })
  }

  elect(): void {
    const { brokers, topics, markers } = this.znodes
    const snapshots = [...topics.keys()].map(name => this.znodes.snapshot(name))
    const { reassignments, elections } = this.znodes
    const event = { brokers, topics: snapshots, deletions: [...markers], reassignments, elections }
    this.run({ event: 'elected', ...event })
  }

  brokersChanged(): void {
    this.run({ event: 'brokers-changed', brokers: this.znodes.brokers })
  }

  topicsChanged(): void {
    const names = new Set(this.znodes.topics.keys())
    const added = [...names].filter(name => !this.state.topics.has(name)).map(name => this.znodes.snapshot(name))
    this.run({ event: 'topics-changed', names, added })
  }

  topicModified(topic: string): void {
    this.run({ event: 'topic-modified', topic, partitions: this.znodes.topics.get(topic)!.assignment })
  }

  deletionsChanged(): void {
    this.run({ event: 'deletions-changed', topics: [...this.znodes.markers] })
  }

  run(event: ControllerEvent): void {
    this.carryOut(plan(this.state, event))
  }

  /** Any plan of `core/controller`, step by step, in memory. */
  carryOut<Result>(steps: Plan<Result>): Result {
    let next = steps.next()
    while (next.done !== true) next = steps.next(this.#answer(next.value))
    return next.value
  }

  /** What was sent since the last call. */
  takeRequests(): ControlRequest[] {
    return this.requests.splice(0)
  }

  #answer(step: Step): StepAnswer {
    switch (step.step) {
      case 'write': {
        this.onWrite?.(step.writes)
        return { step: 'write', outcomes: step.writes.map(write => this.#write(write)) }
      }
      case 'read-leadership':
        return { step: 'read-leadership', leadership: step.partitions.map(name => this.#stateOf(name)) }
      case 'read-unclean-topics':
        return {
          step: 'read-unclean-topics',
          topics: new Set(step.topics.filter(name => this.znodes.uncleanTopics.has(name))),
        }
      case 'send':
        this.requests.push(...step.requests)
        return { step: 'send' }
      case 'note':
        this.notes.push(step.message)
        return { step: 'note' }
    }
  }

  #stateOf({ topic, partition }: PartitionName): Leadership | null {
    return this.znodes.state(topic, partition)
  }

  #write(write: Write): WriteOutcome {
    if (this.znodes.controllerEpoch !== this.state.controllerEpoch) throw new Deposed()
    this.writes.push(write)
    const outcome = this.#apply(write)
    if (outcome === 'done') this.onApplied?.(write)
    return outcome
  }

  #apply(write: Write): WriteOutcome {
    const { topics, markers } = this.znodes
    switch (write.write) {
      case 'create-state': {
        const states = topics.get(write.topic)?.states
        if (states === undefined || states.has(write.partition)) return 'conflict'
        states.set(write.partition, write.leadership)
        return 'done'
      }
      case 'update-state': {
        const states = topics.get(write.topic)?.states
        if (states?.get(write.partition)?.partitionEpoch !== write.expectedEpoch) return 'conflict'
        states.set(write.partition, write.leadership)
        return 'done'
      }
      case 'update-assignment': {
        const topic = topics.get(write.topic)
        if (topic === undefined) return 'conflict'
        if (topic.topicId !== write.topicId) return 'conflict'
        topic.assignment = new Map([...topic.assignment, ...write.partitions])
        for (const partition of write.dropped ?? []) topic.assignment.delete(partition)
        return 'done'
      }
      case 'delete-topic':
        topics.delete(write.topic)
        markers.delete(write.topic)
        return 'done'
      case 'delete-marker':
        markers.delete(write.topic)
        return 'done'
      case 'forget-reassignments': {
        const remaining = this.znodes.reassignments?.filter(listed => !write.requests.some(isAbout(listed))) ?? []
        this.znodes.reassignments = remaining.length === 0 ? null : remaining
        return 'done'
      }
      case 'delete-preferred-election':
        this.znodes.elections = null
        return 'done'
    }
  }
}

const isAbout =
  (listed: ReassignmentRequest) =>
  ({ topic, partition, replicas }: ReassignmentRequest): boolean =>
    topic === listed.topic &&
    partition === listed.partition &&
    (replicas === null || replicas.join() === listed.replicas?.join())

export const registeredBroker = (id: number, epoch: number, rack: string | null = null): RegisteredBroker => ({
  id,
  epoch,
  rack,
  endpoints: [
    { listener: 'CLIENT', host: 'localhost', port: 9000 + id, securityProtocol: 0 },
    { listener: 'INTERNAL', host: 'localhost', port: 19000 + id, securityProtocol: 0 },
  ],
})
