import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import type { IsrProposal } from '@millrace/broker/core/controller/plan-alter-partition'
import { ControllerCluster, type ControlledBroker } from '@millrace/testing/controller/controller-cluster'
import { FaultyCoordination } from '@millrace/testing/controller/faulty-coordination'
import { AnyVersion } from '@millrace/zookeeper/coordination'
import { controlText } from './control-requests.ts'

interface RecordedStep {
  readonly step: number
  readonly name: string
  readonly changed: readonly { readonly path: string; readonly data: string | null; readonly version: number }[]
  readonly removed: readonly string[]
}

interface Exchange {
  /** The step's name. */
  readonly step: string
  readonly to: number
  readonly api: string
  readonly requestJson: unknown
}

interface RecordedIsrChange {
  readonly brokerId: number
  readonly topics: readonly {
    readonly topicId: string
    readonly partitions: readonly {
      readonly partitionIndex: number
      readonly leaderEpoch: number
      readonly partitionEpoch: number
      readonly leaderRecoveryState: number
      readonly newIsrWithEpochs: readonly { readonly brokerId: number }[]
    }[]
  }[]
}

const vector = (name: string): string =>
  brotliDecompressSync(readFileSync(join(import.meta.dirname, 'vectors', name))).toString()

/** What Kafka's brokers wrote and said, step by step. */
export class Recording {
  readonly steps: ReadonlyMap<number, RecordedStep>
  readonly #exchanges: readonly Exchange[]

  constructor() {
    const { steps } = JSON.parse(vector('znodes.json.br')) as { steps: RecordedStep[] }
    this.steps = new Map(steps.map(step => [step.step, step]))
    this.#exchanges = vector('controller-traffic.jsonl.br')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Exchange)
  }

  /** Distinct control requests of these steps by receiver. */
  requests(steps: readonly number[], to: number): Set<string> {
    return new Set(
      this.#of(steps)
        .filter(exchange => exchange.to === to && controlApis.has(exchange.api))
        .map(({ api, requestJson }) => controlText(api, requestJson)),
    )
  }

  isrChanges(step: number): RecordedIsrChange[] {
    return this.#of([step])
      .filter(({ api }) => api === 'AlterPartition')
      .map(({ requestJson }) => requestJson as RecordedIsrChange)
  }

  /** The topics and the controller's epoch as they were after `step`. */
  tree(step: number): Map<string, string> {
    const tree = new Map<string, string>()
    for (const { step: at, changed, removed } of this.steps.values()) {
      if (at > step) break
      for (const path of removed) tree.delete(path)
      for (const { path, data, version } of changed) if (isCompared(path)) tree.set(path, znodeText(data, version))
    }
    return tree
  }

  data(step: number, path: string): string {
    return this.steps.get(step)?.changed.find(change => change.path === path)?.data ?? ''
  }

  #of(steps: readonly number[]): Exchange[] {
    const names = new Set(steps.map(step => `${step} ${this.steps.get(step)!.name}`))
    return this.#exchanges.filter(exchange => names.has(exchange.step))
  }
}

const controlApis = new Set(['LeaderAndIsr', 'UpdateMetadata', 'StopReplica'])

const compared = ['/brokers/topics', '/admin', '/controller_epoch', '/feature', '/isr_change_notification']

const isCompared = (path: string): boolean => compared.some(root => path === root || path.startsWith(`${root}/`))

/** Keys in one order: Kafka's larger maps are in hash order. */
function znodeText(data: string | null, version: number): string {
  if (data === null || data === '') return `v${version}`
  const value: unknown = JSON.parse(data)
  return `v${version} ${typeof value === 'object' && value !== null ? JSON.stringify(value, orderedKeys) : data}`
}

const orderedKeys = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
    : value

/** Millrace's controllers, driven through the same steps: what brokers, clients and operators did is done by hand. */
export class Replay {
  readonly cluster = new ControllerCluster()
  readonly recording = new Recording()
  /** What brokers got before they left in an orderly way. */
  readonly #departed = new Map<number, ControlledBroker['received']>()
  /** The broker that may win the next election, so that the same one does as in the recording. */
  candidate = 0

  /** Starts broker `id`, or starts it again. */
  async start(id: number): Promise<void> {
    await this.cluster.start(id, {
      wrap: client =>
        new FaultyCoordination(client, {
          // All that one who is not controller writes in transactions is its candidacy.
          onTransaction: () => (id === this.candidate || this.broker(id).controller.isActive ? 'done' : 'request-lost'),
        }),
    })
  }

  broker(id: number): ControlledBroker {
    return this.cluster.brokers.get(id)!
  }

  get active(): ControlledBroker {
    return this.cluster.active!
  }

  /** As a broker of the recording wrote it: settings first are not the controller's matter. */
  async createTopics(step: number, ...names: string[]): Promise<void> {
    for (const name of names) {
      const path = `/brokers/topics/${name}`
      await this.#do(this.active.client.create(path, Buffer.from(this.recording.data(step, path))))
    }
  }

  async setTopic(step: number, name: string): Promise<void> {
    const path = `/brokers/topics/${name}`
    await this.#do(this.active.client.set(path, Buffer.from(this.recording.data(step, path)), AnyVersion))
  }

  async markForDeletion(name: string): Promise<void> {
    await this.#do(this.active.client.create(`/admin/delete_topics/${name}`, null))
  }

  /** The ISRs that the leaders of the recording proposed. */
  async proposeIsrs(step: number): Promise<void> {
    for (const { brokerId, topics } of this.recording.isrChanges(step)) {
      const proposals = topics.flatMap(({ topicId, partitions }) =>
        partitions.map((partition): IsrProposal => ({
          topic: { id: topicId },
          partition: partition.partitionIndex,
          leaderEpoch: partition.leaderEpoch,
          partitionEpoch: partition.partitionEpoch,
          inSyncReplicas: partition.newIsrWithEpochs.map(member => ({ brokerId: member.brokerId, brokerEpoch: -1 })),
          leaderRecoveryState: partition.leaderRecoveryState,
        })),
      )
      const brokerEpoch = this.broker(brokerId).epoch
      const answer = await this.#do(this.active.controller.alterPartition({ brokerId, brokerEpoch, proposals }))
      const codes = [answer.errorCode, ...answer.proposals.map(each => each.errorCode)]
      if (codes.some(code => code !== 0)) throw new Error(`step ${step}: AlterPartition answered ${codes.join()}`)
    }
  }

  async reassign(topic: string, replicas: readonly number[] | null): Promise<void> {
    const outcomes = await this.#do(this.active.controller.alterReassignments([{ topic, partition: 0, replicas }]))
    if (outcomes?.[0]?.errorCode !== 0) throw new Error(`reassignment answered ${outcomes?.[0]?.errorCode}`)
  }

  /** Asks for a controlled shutdown and goes, as a process that gets SIGTERM. Answers how many partitions it still led. */
  async shutDown(id: number): Promise<number> {
    const { epoch } = this.broker(id)
    const answer = await this.#do(this.active.controller.controlledShutdown(id, epoch))
    if (answer.errorCode !== 0) throw new Error(`controlled shutdown answered ${answer.errorCode}`)
    const { received } = this.broker(id)
    await this.cluster.kill(id)
    this.#departed.set(id, received)
    return answer.remaining.length
  }

  async deleteControllerZnode(): Promise<void> {
    await this.#do(this.active.client.delete('/controller', AnyVersion))
  }

  async electLeaders(
    election: 'preferred' | 'unclean',
    partitions: null | { topic: string; partition: number }[],
  ): Promise<void> {
    await this.#do(this.active.controller.electLeaders(election, partitions))
  }

  /** What ZooKeeper holds now, of what is compared. */
  async tree(): Promise<Map<string, string>> {
    const { client } = this.active
    const tree = new Map<string, string>()
    const visit = async (path: string): Promise<void> => {
      const { data, stat } = await this.#do(client.get(path))
      if (isCompared(path)) tree.set(path, znodeText(data.toString(), stat.version))
      const children = await this.#do(client.children(path))
      for (const child of children) await visit(path === '/' ? `/${child}` : `${path}/${child}`)
    }
    for (const root of compared) await visit(root)
    return tree
  }

  /** Distinct control requests that broker `id` got since the last call. */
  takeRequests(id: number): Set<string> {
    const received = this.cluster.brokers.get(id)?.received.splice(0) ?? this.#departed.get(id)?.splice(0) ?? []
    return new Set(received.map(({ name, value }) => controlText(name.replace(/Request$/, ''), value)))
  }

  async #do<T>(work: Promise<T>): Promise<T> {
    const answer = await this.cluster.world.during(work)
    await this.cluster.settle()
    return answer
  }
}
