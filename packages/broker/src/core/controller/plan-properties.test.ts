import { expect, test } from '@jest/globals'
import {
  Deposed,
  MemoryController,
  MemoryZnodes,
  registeredBroker,
} from '@millrace/testing/controller/memory-controller'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { Leadership } from './leadership.ts'
import type { Write } from './plan-step.ts'

const seeds = 12
const stepsPerSeed = 120
const firstSeed = Number(process.env['SEED'] ?? 1)

/**
 * Brokers that come, go and bounce; topics made, grown and deleted; leaders that change ISRs between two looks of the
 * controller; controllers that follow each other, the old one still trying. What must hold whatever happens is checked
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
  readonly #former: MemoryController[] = []
  #controller: MemoryController
  #epoch = 100
  #topics = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#znodes.brokers = [1, 2, 3].map(id => registeredBroker(id, ++this.#epoch))
    this.#controller = this.#elect()
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#act()
      this.#checkRequests()
      this.#checkSettled()
    }
    this.#finish()
  }

  #elect(): MemoryController {
    const controller = new MemoryController(this.#znodes)
    controller.onApplied = write => this.#checkWrite(write, controller)
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
    const live = new Set(this.#znodes.brokers.map(broker => broker.id))
    // A leader that is gone, or whose folder is, changes nothing any more.
    const context = this.#controller.state.partition(name, partition)
    if (!live.has(stored.leader)) return
    if (context !== undefined && this.#controller.state.isOnOfflineFolder(stored.leader, context)) return
    const candidates = topic.assignment.get(partition)!.replicas.filter(id => live.has(id) && id !== stored.leader)
    const inSyncReplicas = [stored.leader, ...candidates.filter(() => this.#random.below(2) === 0)]
    topic.states.set(partition, { ...stored, inSyncReplicas, partitionEpoch: stored.partitionEpoch + 1 })
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
    expect(replicas).toEqual(expect.arrayContaining([...leadership.inSyncReplicas]))
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
      const electable = leadership.inSyncReplicas.filter(id => state.isReplicaOnline(id, partition))
      if (leadership.leader >= 0) expect(electable).toContain(leadership.leader)
      else expect(`${partition.name} ${electable.join(',')}`).toBe(`${partition.name} `)
    }
  }

  /** All brokers back, all folders fine: everything is led, every marked topic goes. */
  #finish(): void {
    this.#controller.onWrite = null
    this.#znodes.brokers = [1, 2, 3, 4, 5].map(id => registeredBroker(id, ++this.#epoch))
    this.#controller.brokersChanged()
    for (let round = 0; round < 3; round++) {
      for (const broker of this.#znodes.brokers) {
        const partitions = [...this.#controller.state.partitions()]
          .filter(partition => partition.replicaState(broker.id) === 'deletion-started')
          .map(({ topic, partition }) => ({ topic, partition, outcome: 'done' }) as const)
        this.#controller.run({ event: 'deletion-answered', brokerId: broker.id, brokerEpoch: broker.epoch, partitions })
      }
    }
    expect([...this.#znodes.markers]).toEqual([])
    for (const [name, topic] of this.#znodes.topics) {
      const led = [...topic.assignment.keys()].filter(partition => (topic.states.get(partition)?.leader ?? -1) >= 0)
      expect({ name, led }).toEqual({ name, led: [...topic.assignment.keys()] })
    }
  }
}
