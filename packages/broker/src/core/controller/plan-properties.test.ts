import { expect, test } from '@jest/globals'
import {
  Deposed,
  MemoryController,
  MemoryZnodes,
  registeredBroker,
} from '@millrace/testing/controller/memory-controller'
import { Killed } from '@millrace/testing/controller/memory-cluster'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { isBeingReassigned, type Leadership } from './leadership.ts'
import { planAlterPartition } from './plan-alter-partition.ts'
import { planControlledShutdown } from './plan-controlled-shutdown.ts'
import { planElectLeaders } from './plan-leader-election.ts'
import { planAlterReassignments } from './plan-reassignment.ts'
import type { Write } from './plan-step.ts'

const seeds = 12
const stepsPerSeed = 120
const firstSeed = Number(process.env['SEED'] ?? 1)

/**
 * Brokers that come, go and bounce; topics made, grown and deleted; leaders that change ISRs between two looks of the
 * controller; replicas that move, elections, shutdowns; controllers that die after any write or follow each other, the old
 * one still trying. What must hold whatever happens is checked
 * at every write and at the end of every step.
 */
for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
  test(`plans: random events: one leader per epoch, epochs only grow, every write by the one controller (seed ${seed})`, () => {
    new Run(seed).run(stepsPerSeed)
  })
}

class Run {
  readonly #random: SeededRandom
  readonly #znodes = new MemoryZnodes()
  readonly #leaders = new Map<string, number>()
  readonly #lastLeader = new Map<string, number>()
  readonly #lastIsr = new Map<string, readonly number[]>()
  readonly #former: MemoryController[] = []
  #controller: MemoryController
  #epoch = 100
  #topics = 0
  /** Writes until the controller dies in the middle of a plan. */
  #diesAfter = Infinity

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#znodes.brokers = [1, 2, 3].map(id => registeredBroker(id, ++this.#epoch))
    this.#controller = this.#elect()
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      if (this.#random.below(8) === 0) this.#diesAfter = 1 + this.#random.below(4)
      try {
        this.#act()
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        this.#diesAfter = Infinity
        this.#controller = this.#elect()
      }
      this.#diesAfter = Infinity
      this.#checkRequests()
      this.#checkSettled()
    }
    this.#finish()
  }

  #elect(): MemoryController {
    const controller = new MemoryController(this.#znodes)
    controller.onApplied = write => {
      this.#checkWrite(write, controller)
      if (--this.#diesAfter === 0) throw new Killed()
    }
    controller.onWrite = writes => this.#interfere(writes)
    controller.elect()
    return controller
  }

  #act(): void {
    const actions = [
      () => this.#loseBroker(),
      () => this.#startBroker(),
      () => this.#startBroker(),
      () => this.#bounceBroker(),
      () => this.#createTopic(),
      () => this.#createTopic(),
      () => this.#addPartition(),
      () => this.#deleteTopic(),
      () => this.#answerDeletions(),
      () => this.#answerDeletions(),
      () => this.#changeIsr(),
      () => this.#changeIsr(),
      () => this.#failFolder(),
      () => this.#replaceController(),
      () => this.#wakeFormerController(),
      () => this.#allowUnclean(),
      () => this.#proposeIsr(),
      () => this.#proposeIsr(),
      () => this.#proposeIsr(),
      () => this.#reassign(),
      () => this.#reassign(),
      () => this.#reassignByZnode(),
      () => this.#electLeaders(),
      () => this.#shutDown(),
      () => this.#controller.run({ event: 'balance-due', percentage: 10 }),
    ]
    this.#pick(actions)!()
  }

  #pick<T>(list: readonly T[]): T | undefined {
    return list.length === 0 ? undefined : list[this.#random.below(list.length)]
  }

  #loseBroker(): void {
    const lost = this.#pick(this.#znodes.brokers)
    this.#znodes.brokers = this.#znodes.brokers.filter(broker => broker !== lost)
    this.#controller.brokersChanged()
  }

  #startBroker(): void {
    const id = this.#pick([1, 2, 3, 4, 5])!
    if (this.#znodes.brokers.some(broker => broker.id === id)) return
    this.#znodes.brokers = [...this.#znodes.brokers, registeredBroker(id, ++this.#epoch)]
    this.#controller.brokersChanged()
  }

  #bounceBroker(): void {
    const bounced = this.#pick(this.#znodes.brokers)
    if (bounced === undefined) return
    const others = this.#znodes.brokers.filter(broker => broker !== bounced)
    this.#znodes.brokers = [...others, registeredBroker(bounced.id, ++this.#epoch)]
    this.#controller.brokersChanged()
  }

  #createTopic(): void {
    const partitions = 1 + this.#random.below(3)
    const replicas = Array.from({ length: partitions }, () => this.#replicas(1 + this.#random.below(3)))
    this.#znodes.createTopic(`t${this.#topics++}`, replicas)
    this.#controller.topicsChanged()
  }

  #replicas(count: number): number[] {
    const ids = [1, 2, 3, 4, 5]
    return Array.from({ length: count }, () => ids.splice(this.#random.below(ids.length), 1)[0]!)
  }

  #addPartition(): void {
    const topic = this.#pick([...this.#znodes.topics.keys()])
    if (topic === undefined) return
    this.#znodes.addPartition(topic, this.#replicas(1 + this.#random.below(3)))
    this.#controller.topicModified(topic)
  }

  #deleteTopic(): void {
    const topic = this.#pick([...this.#znodes.topics.keys()])
    if (topic === undefined) return
    this.#znodes.markers.add(topic)
    this.#controller.deletionsChanged()
  }

  #answerDeletions(): void {
    const { state } = this.#controller
    const broker = this.#pick([...state.brokers.values()])
    if (broker === undefined) return
    const outcome = this.#random.below(4) === 0 ? 'other-error' : 'done'
    const partitions = [...state.partitions()]
      .filter(partition => partition.replicaState(broker.id) === 'deletion-started')
      .map(({ topic, partition }) => ({ topic, partition, outcome }) as const)
    this.#controller.run({ event: 'deletion-answered', brokerId: broker.id, brokerEpoch: broker.epoch, partitions })
  }

  /** What a leader does through AlterPartition, while the controller's cache does not know. */
  #changeIsr(): void {
    const name = this.#pick([...this.#znodes.topics.keys()])
    if (name === undefined) return
    const topic = this.#znodes.topics.get(name)!
    const [partition, stored] = this.#pick([...topic.states]) ?? []
    if (partition === undefined || stored === undefined || stored.leader < 0) return
    // While replicas move only AlterPartition changes ISRs: writing past the controller is for brokers older than KIP-455.
    if (isBeingReassigned(topic.assignment.get(partition)!)) return
    const live = new Set(this.#znodes.brokers.map(broker => broker.id))
    // A leader that is gone, or whose folder is, changes nothing any more.
    const context = this.#controller.state.partition(name, partition)
    if (!live.has(stored.leader)) return
    if (context !== undefined && this.#controller.state.isOnOfflineFolder(stored.leader, context)) return
    const candidates = topic.assignment.get(partition)!.replicas.filter(id => live.has(id) && id !== stored.leader)
    const inSyncReplicas = [stored.leader, ...candidates.filter(() => this.#random.below(2) === 0)]
    topic.states.set(partition, { ...stored, inSyncReplicas, partitionEpoch: stored.partitionEpoch + 1 })
  }

  /** What a leader does as it should: it asks the controller. Sometimes it asks for what it must not get. */
  #proposeIsr(): void {
    const { state } = this.#controller
    const partition = this.#pick([...state.partitions()])
    const leadership = partition?.leadership ?? null
    if (partition === undefined || leadership === null) return
    const leader = state.brokers.get(leadership.leader)
    if (leader === undefined) return
    const stale = this.#random.below(5) === 0 ? 1 : 0
    const inSyncReplicas = [leader.id, ...partition.assignment.replicas.filter(id => id !== leader.id)].filter(
      id => id === leader.id || this.#random.below(3) > 0,
    )
    const { topic } = partition
    const answer = this.#controller.carryOut(
      planAlterPartition(state, {
        brokerId: leader.id,
        brokerEpoch: leader.epoch,
        proposals: [
          {
            topic: { name: topic },
            partition: partition.partition,
            leaderEpoch: leadership.leaderEpoch - stale,
            partitionEpoch: leadership.partitionEpoch,
            inSyncReplicas: inSyncReplicas.map(id => ({
              brokerId: id,
              brokerEpoch: state.brokers.get(id)?.epoch ?? 0,
            })),
            leaderRecoveryState: 0,
          },
        ],
      }),
    )
    const stored = answer.proposals[0]?.leadership ?? null
    if (stored === null) return
    // Nobody who is not there, or is going, got in.
    const others = stored.inSyncReplicas.filter(id => id !== leader.id && !leadership.inSyncReplicas.includes(id))
    expect(others.filter(id => !state.isLive(id))).toEqual([])
    const name = { topic, partition: partition.partition }
    this.#controller.run({ event: 'isr-changed', partitions: [name] })
  }

  #reassign(): void {
    const { state } = this.#controller
    const partition = this.#pick([...state.partitions()])
    if (partition === undefined) return
    const replicas = this.#random.below(4) === 0 ? null : this.#replicas(1 + this.#random.below(3))
    const { topic } = partition
    this.#controller.carryOut(planAlterReassignments(state, [{ topic, partition: partition.partition, replicas }]))
  }

  #reassignByZnode(): void {
    const partition = this.#pick([...this.#controller.state.partitions()])
    if (partition === undefined || this.#znodes.reassignments !== null) return
    const { topic } = partition
    const requests = [{ topic, partition: partition.partition, replicas: this.#replicas(1 + this.#random.below(3)) }]
    this.#znodes.reassignments = requests
    this.#controller.run({ event: 'reassignments-requested', requests })
  }

  #electLeaders(): void {
    const election = this.#pick(['preferred', 'unclean'] as const)!
    this.#controller.carryOut(planElectLeaders(this.#controller.state, election, null))
  }

  /** It asks, and then it goes, or is killed, or goes on for a while. */
  #shutDown(): void {
    const broker = this.#pick(this.#znodes.brokers)
    if (broker === undefined) return
    this.#controller.carryOut(planControlledShutdown(this.#controller.state, broker.id, broker.epoch))
    if (this.#random.below(3) === 0) return
    this.#znodes.brokers = this.#znodes.brokers.filter(each => each !== broker)
    this.#controller.brokersChanged()
  }

  #failFolder(): void {
    const { state } = this.#controller
    const broker = this.#pick([...state.brokers.values()])
    if (broker === undefined) return
    const outcome = this.#random.below(2) === 0 ? 'storage-error' : 'done'
    const hosted = state.replicasOn(new Set([broker.id])).filter(() => this.#random.below(3) === 0)
    this.#controller.run({
      event: 'leader-and-isr-answered',
      brokerId: broker.id,
      brokerEpoch: broker.epoch,
      partitions: hosted.map(({ partition }) => ({ topic: partition.topic, partition: partition.partition, outcome })),
    })
  }

  #replaceController(): void {
    this.#former.push(this.#controller)
    this.#controller = this.#elect()
  }

  /** A deposed controller that has not noticed: nothing it writes may be applied. */
  #wakeFormerController(): void {
    const former = this.#pick(this.#former)
    if (former === undefined) return
    former.onApplied = () => expect('a write of a deposed controller').toBe('refused')
    former.onWrite = null
    try {
      former.brokersChanged()
    } catch (error) {
      if (!(error instanceof Deposed)) throw error
    }
    // It resigned: its state is gone with it.
    this.#former.splice(this.#former.indexOf(former), 1)
  }

  #allowUnclean(): void {
    const topic = this.#pick([...this.#znodes.topics.keys()])
    if (topic === undefined) return
    this.#znodes.uncleanTopics.add(topic)
    this.#controller.run({ event: 'unclean-election-enabled', topic })
  }

  /** Just before a write lands a leader may change the ISR: the write then conflicts. */
  #interfere(writes: readonly Write[]): void {
    if (this.#random.below(6) !== 0) return
    if (writes.some(write => write.write === 'update-state')) this.#changeIsr()
  }

  #checkWrite(write: Write, controller: MemoryController): void {
    expect(this.#znodes.controllerEpoch).toBe(controller.state.controllerEpoch)
    if (write.write !== 'create-state' && write.write !== 'update-state') return
    const { leadership } = write
    const topicId = this.#znodes.topics.get(write.topic)!.topicId
    const { replicas } = this.#znodes.topics.get(write.topic)!.assignment.get(write.partition)!
    this.#checkLeader(`${topicId}-${write.partition}`, leadership)
    expect(leadership.controllerEpoch).toBe(controller.state.controllerEpoch)
    expect(leadership.inSyncReplicas.length).toBeGreaterThan(0)
    // Members that the assignment names no more are on their way out: they only become fewer.
    const before = this.#lastIsr.get(`${topicId}-${write.partition}`) ?? []
    const strays = leadership.inSyncReplicas.filter(id => !replicas.includes(id))
    expect(before).toEqual(expect.arrayContaining(strays))
    this.#lastIsr.set(`${topicId}-${write.partition}`, leadership.inSyncReplicas)
    if (leadership.leader >= 0) {
      expect(leadership.inSyncReplicas).toContain(leadership.leader)
      // A leader that goes on leading may be one of several that were lost: its turn comes within the same event.
      const isChosen = this.#lastLeader.get(`${topicId}-${write.partition}`) !== leadership.leader
      if (isChosen) expect(controller.state.isLive(leadership.leader)).toBe(true)
    }
    this.#lastLeader.set(`${topicId}-${write.partition}`, leadership.leader)
    if (write.write === 'update-state') expect(leadership.partitionEpoch).toBe(write.expectedEpoch + 1)
  }

  #checkLeader(partition: string, { leader, leaderEpoch }: Leadership): void {
    const key = `${partition} epoch ${leaderEpoch}`
    const known = this.#leaders.get(key) ?? leader
    expect(`${key} leader ${leader}`).toBe(`${key} leader ${known}`)
    this.#leaders.set(key, leader)
  }

  #checkRequests(): void {
    const { state } = this.#controller
    const epochs = new Map<number, number>()
    for (const request of this.#controller.takeRequests()) {
      // Per broker the epoch only grows: a queue never holds a request for an older incarnation behind a newer one's.
      expect(request.brokerEpoch).toBeGreaterThanOrEqual(epochs.get(request.brokerId) ?? 0)
      epochs.set(request.brokerId, request.brokerEpoch)
      if (request.kind !== 'leader-and-isr') continue
      for (const topic of request.topics) {
        for (const { partition, leadership, assignment } of topic.partitions) {
          this.#checkLeader(`${topic.id}-${partition}`, leadership)
          expect(assignment.replicas).toContain(request.brokerId)
        }
      }
    }
    for (const [id, epoch] of epochs) {
      if (state.brokers.has(id)) expect(epoch).toBe(state.brokers.get(id)!.epoch)
    }
  }

  /** After every event: what can be led is led, unless a leader's folder or the controller's cache is behind. */
  #checkSettled(): void {
    const { state } = this.#controller
    for (const partition of state.partitions()) {
      const { leadership } = partition
      if (leadership === null || state.isQueuedForDeletion(partition.topic)) continue
      // Whoever gave up a reassignment has removed what only that brought.
      expect(partition.assignment.replicas).toEqual(expect.arrayContaining([...leadership.inSyncReplicas]))
      const electable = leadership.inSyncReplicas.filter(id => state.isReplicaOnline(id, partition))
      const leading = leadership.inSyncReplicas.filter(id => state.isReplicaOnlineOrShuttingDown(id, partition))
      if (leadership.leader >= 0) expect(leading).toContain(leadership.leader)
      else expect(`${partition.name} ${electable.join(',')}`).toBe(`${partition.name} `)
    }
  }

  /** All brokers back, all folders fine: everything is led, every marked topic goes. */
  #finish(): void {
    this.#controller.onWrite = null
    this.#znodes.brokers = [1, 2, 3, 4, 5].map(id => registeredBroker(id, ++this.#epoch))
    this.#controller.brokersChanged()
    this.#answerAllDeletions()
    this.#completeReassignments()
    expect([...this.#znodes.markers]).toEqual([])
    expect(this.#znodes.reassignments).toBeNull()
    for (const [name, topic] of this.#znodes.topics) {
      const led = [...topic.assignment.keys()].filter(partition => (topic.states.get(partition)?.leader ?? -1) >= 0)
      expect({ name, led }).toEqual({ name, led: [...topic.assignment.keys()] })
      const moving = [...topic.assignment.values()].filter(isBeingReassigned)
      expect({ name, moving }).toEqual({ name, moving: [] })
    }
  }

  /** Every replica catches up: every reassignment ends, and with it what waited for it. */
  #completeReassignments(): void {
    const { state } = this.#controller
    for (const partition of [...state.partitions()]) {
      const { leadership, assignment, topic } = partition
      if (leadership === null || !isBeingReassigned(assignment)) continue
      const leader = state.brokers.get(leadership.leader)!
      const inSyncReplicas = assignment.replicas.map(id => ({ brokerId: id, brokerEpoch: -1 }))
      const { leaderEpoch, partitionEpoch } = leadership
      const proposal = { partition: partition.partition, leaderEpoch, partitionEpoch, inSyncReplicas }
      const proposals = [{ ...proposal, topic: { name: topic }, leaderRecoveryState: 0 }]
      const change = { brokerId: leader.id, brokerEpoch: leader.epoch, proposals }
      this.#controller.carryOut(planAlterPartition(state, change))
      this.#controller.run({ event: 'isr-changed', partitions: [{ topic, partition: partition.partition }] })
      this.#answerAllDeletions()
    }
    this.#answerAllDeletions()
  }

  #answerAllDeletions(): void {
    for (let round = 0; round < 3; round++) {
      for (const broker of this.#znodes.brokers) {
        const partitions = [...this.#controller.state.partitions()]
          .filter(partition => partition.replicaState(broker.id) === 'deletion-started')
          .map(({ topic, partition }) => ({ topic, partition, outcome: 'done' }) as const)
        this.#controller.run({ event: 'deletion-answered', brokerId: broker.id, brokerEpoch: broker.epoch, partitions })
      }
    }
  }
}
