import type { ControlRequest, LeaderAndIsrPartition } from '@millrace/broker/core/controller/control-request'
import { planAlterPartition } from '@millrace/broker/core/controller/plan-alter-partition'
import type { Plan, Write } from '@millrace/broker/core/controller/plan-step'
import { MemoryController, MemoryZnodes, registeredBroker } from './memory-controller.ts'

/** The controller's process ended: what it had not written or sent is lost. */
export class Killed extends Error {
  override readonly name = 'Killed'
}

/** What one incarnation of a broker knows of one partition. */
interface Told {
  leadership: LeaderAndIsrPartition['leadership']
  readonly assignment: LeaderAndIsrPartition['assignment']
}

/**
 * Controllers in memory that follow each other, and brokers that do what a controller tells them and no more: they lead,
 * follow, catch up at once, grow ISRs and delete. `settle` runs until nobody has anything to do.
 */
export class MemoryCluster {
  readonly znodes = new MemoryZnodes()
  controller: MemoryController
  /** Writes that were applied since the last `armCrash`. */
  writes = 0
  onWrite: ((write: Write) => void) | null = null
  readonly #told = new Map<string, Map<string, Told>>()
  #epoch = 100
  #crashAfter = Infinity
  readonly #unreachable = new Set<number>()

  constructor(brokers: number) {
    this.znodes.brokers = Array.from({ length: brokers }, (_, index) => registeredBroker(index, ++this.#epoch))
    this.controller = this.#newController()
    this.controller.elect()
  }

  /** The controller dies when it has made `writes` more writes. */
  armCrash(writes: number): void {
    this.writes = 0
    this.#crashAfter = writes
  }

  /** Another controller takes over; requests of the last one that were not delivered are, or are lost. */
  takeOver(options: { readonly requestsArrive: boolean }): void {
    this.#crashAfter = Infinity
    if (options.requestsArrive) for (const request of this.controller.takeRequests()) this.#deliver(request, false)
    this.controller = this.#newController()
    this.controller.elect()
  }

  stop(id: number): void {
    this.znodes.brokers = this.znodes.brokers.filter(broker => broker.id !== id)
  }

  start(id: number): void {
    this.stop(id)
    this.znodes.brokers = [...this.znodes.brokers, registeredBroker(id, ++this.#epoch)]
  }

  /** Followers there never catch up: nothing of theirs enters an ISR. */
  stall(id: number): void {
    this.#unreachable.add(id)
  }

  catchUp(id: number): void {
    this.#unreachable.delete(id)
  }

  epochOf(id: number): number {
    return this.znodes.brokers.find(broker => broker.id === id)?.epoch ?? -1
  }

  ask<Answer>(plan: Plan<Answer>): Answer {
    return this.controller.carryOut(plan)
  }

  settle(): void {
    for (let round = 0; round < 100; round++) {
      const requests = this.controller.takeRequests()
      for (const request of requests) this.#deliver(request, true)
      const grown = this.#growIsrs()
      if (requests.length === 0 && !grown) return
    }
    throw new Error('the cluster does not settle')
  }

  /** What lasts, without what depends on how often something was tried: epochs and versions. */
  outcome(): unknown {
    const topics = [...this.znodes.topics].map(([name, { assignment, states }]) => ({
      name,
      partitions: [...assignment].map(([partition, { replicas, addingReplicas, removingReplicas }]) => {
        const state = states.get(partition)
        return {
          partition,
          replicas,
          addingReplicas,
          removingReplicas,
          leader: state?.leader,
          isr: [...(state?.inSyncReplicas ?? [])].sort((left, right) => left - right),
          leaderRecoveryState: state?.leaderRecoveryState,
        }
      }),
    }))
    const { markers, reassignments, elections } = this.znodes
    return { topics, markers: [...markers], reassignments, elections, held: this.#held() }
  }

  /** Replicas that brokers which are up were told of, of those that the assignment names. */
  #held(): string[] {
    return this.#replicasTold().filter(name => this.#isAssigned(name))
  }

  /** Replicas that nobody has told their broker to delete, although no assignment names them. */
  strays(): string[] {
    return this.#replicasTold().filter(name => !this.#isAssigned(name))
  }

  #replicasTold(): string[] {
    return this.znodes.brokers
      .flatMap(({ id, epoch }) => [...(this.#told.get(`${id} ${epoch}`)?.keys() ?? [])].map(key => `${key} on ${id}`))
      .sort()
  }

  #isAssigned(name: string): boolean {
    const [, topic, partition, id] = /^(.*)-(\d+) on (\d+)$/.exec(name)!
    const assignment = this.znodes.topics.get(topic!)?.assignment.get(Number(partition))
    return assignment?.replicas.includes(Number(id)) ?? false
  }

  #newController(): MemoryController {
    const controller = new MemoryController(this.znodes)
    controller.onApplied = write => {
      this.writes++
      this.onWrite?.(write)
      if (this.writes >= this.#crashAfter) throw new Killed()
    }
    return controller
  }

  #deliver(request: ControlRequest, isAnswered: boolean): void {
    const { brokerId, brokerEpoch } = request
    if (this.epochOf(brokerId) !== brokerEpoch) return
    const told = this.#toldOf(brokerId)
    if (request.kind === 'leader-and-isr') {
      for (const topic of request.topics) {
        for (const order of topic.partitions) {
          const key = `${topic.name}-${order.partition}`
          const known = told.get(key)
          // As a broker refuses what it knows already (reference 3.1).
          if (known !== undefined && known.leadership.leaderEpoch >= order.leadership.leaderEpoch) continue
          told.set(key, { leadership: order.leadership, assignment: order.assignment })
        }
      }
    }
    if (request.kind !== 'stop-replica') return
    const partitions = request.topics.flatMap(({ name, partitions: orders }) =>
      orders
        .filter(order => order.deletePartition)
        .map(({ partition }) => ({ topic: name, partition, outcome: 'done' as const })),
    )
    for (const { topic, partition } of partitions) told.delete(`${topic}-${partition}`)
    if (partitions.length > 0 && isAnswered) {
      this.controller.run({ event: 'deletion-answered', brokerId, brokerEpoch, partitions })
    }
  }

  #toldOf(brokerId: number): Map<string, Told> {
    const key = `${brokerId} ${this.epochOf(brokerId)}`
    const known = this.#told.get(key)
    if (known !== undefined) return known
    const fresh = new Map<string, Told>()
    this.#told.set(key, fresh)
    return fresh
  }

  /** Each leader takes into its ISR every replica that follows it. */
  #growIsrs(): boolean {
    let grown = false
    for (const { id, epoch } of this.znodes.brokers) {
      for (const [key, told] of this.#toldOf(id)) {
        if (told.leadership.leader === id && this.#grow(key, told, { id, epoch })) grown = true
      }
    }
    return grown
  }

  #grow(key: string, told: Told, leader: { readonly id: number; readonly epoch: number }): boolean {
    const { leadership, assignment } = told
    const joining = assignment.replicas.filter(
      id =>
        !leadership.inSyncReplicas.includes(id) &&
        !this.#unreachable.has(id) &&
        !this.controller.state.isShuttingDown(id) &&
        this.epochOf(id) !== -1 &&
        this.#toldOf(id).get(key)?.leadership.leaderEpoch === leadership.leaderEpoch,
    )
    if (joining.length === 0) return false
    const topic = key.slice(0, key.lastIndexOf('-'))
    const partition = Number(key.slice(key.lastIndexOf('-') + 1))
    const wanted = [...leadership.inSyncReplicas, ...joining]
    const answer = this.ask(
      planAlterPartition(this.controller.state, {
        brokerId: leader.id,
        brokerEpoch: leader.epoch,
        proposals: [
          {
            topic: { name: topic },
            partition,
            leaderEpoch: leadership.leaderEpoch,
            partitionEpoch: leadership.partitionEpoch,
            inSyncReplicas: wanted.map(brokerId => ({ brokerId, brokerEpoch: this.epochOf(brokerId) })),
            leaderRecoveryState: 0,
          },
        ],
      }),
    )
    const stored = answer.proposals[0]?.leadership ?? null
    if (stored === null) return false
    told.leadership = stored
    this.controller.run({ event: 'isr-changed', partitions: [{ topic, partition }] })
    return true
  }
}
