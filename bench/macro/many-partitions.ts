import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from '@millrace/client/connection/connection'
import { errorName } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { metadataRequest, metadataResponse, type MetadataResponse } from '@millrace/protocol/messages/03-metadata'
import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { emptyOf, ZERO_UUID } from '@millrace/protocol/schema'
import { nodeWorld } from '@millrace/runtime/node/world'
import { batchOf } from '@millrace/testing/data-path/requests'
import { processCpuSeconds, residentMegabytes } from './load-generator.ts'
import type { ThreeBrokers } from './three-brokers.ts'

export interface ManyPartitionsOptions {
  readonly topics: number
  readonly partitionsPerTopic: number
}

export interface ManyPartitionsResult {
  readonly partitions: number
  /** From the CreateTopics request until every broker names a leader and three in-sync replicas of every partition. */
  readonly createSeconds: number
  /** From then until a record was acknowledged by all replicas on every partition. */
  readonly firstRecordsSeconds: number
  readonly residentMegabytesAfterCreation: readonly number[]
  readonly residentMegabytesAfterRecords: readonly number[]
  readonly openFiles: readonly number[]
  /** Cores, while nothing happens, per broker. */
  readonly idleCores: readonly number[]
  /** kill -9 of the controller, until every partition takes acks=all again. */
  readonly failoverSeconds: number
  /** The killed one, until it listens, and until all its replicas are in sync again. */
  readonly restartSeconds: number
  readonly inSyncAgainSeconds: number
  readonly residentMegabytesAtTheEnd: readonly number[]
}

const minInSyncReplicas = 2
const patienceMs = 120_000

/** Creates them, looks at the brokers, kills the controller. */
export async function benchManyPartitions(
  brokers: ThreeBrokers,
  options: ManyPartitionsOptions,
): Promise<ManyPartitionsResult> {
  const names = Array.from({ length: options.topics }, (_, index) => `many-${index}`)
  const count = options.topics * options.partitionsPerTopic
  const probe = new Probe(brokers, names, count)
  const memory = (): number[] => brokers.pids.map(pid => Math.round(residentMegabytes(pid).all))
  try {
    const fromMs = performance.now()
    await probe.create(options.partitionsPerTopic)
    await probe.untilInSync([1, 2, 3], 3)
    const createSeconds = secondsSince(fromMs)
    console.log(`  ${count} partitions created in ${createSeconds} s`)
    const residentMegabytesAfterCreation = memory()
    const recordsFromMs = performance.now()
    await probe.untilAllAcked()
    const firstRecordsSeconds = secondsSince(recordsFromMs)
    console.log(`  a record on each of them in ${firstRecordsSeconds} s`)
    await sleep(5_000)
    const residentMegabytesAfterRecords = memory()
    const openFiles = brokers.pids.map(pid => readdirSync(`/proc/${pid}/fd`).length)
    const cpuBefore = brokers.pids.map(processCpuSeconds)
    await sleep(10_000)
    const idleCores = brokers.pids.map((pid, index) =>
      Number(((processCpuSeconds(pid) - cpuBefore[index]!) / 10).toFixed(3)),
    )
    console.log(`  RSS ${residentMegabytesAfterRecords.join(' ')} MB, idle ${idleCores.join(' ')} cores`)
    const controller = await probe.controllerId()
    const killedMs = performance.now()
    brokers.processes[controller - 1]!.kill('SIGKILL')
    probe.forget(controller)
    await probe.untilAllAcked()
    const failoverSeconds = secondsSince(killedMs)
    console.log(`  acks=all everywhere ${failoverSeconds} s after kill -9 of the controller`)
    await brokers.processes[controller - 1]!.ended()
    const restartedMs = performance.now()
    await brokers.restart(controller)
    const restartSeconds = secondsSince(restartedMs)
    await probe.untilInSync([1, 2, 3], 3)
    const inSyncAgainSeconds = secondsSince(restartedMs)
    console.log(`  listens ${restartSeconds} s after its start, in sync after ${inSyncAgainSeconds} s`)
    return {
      partitions: count,
      createSeconds,
      firstRecordsSeconds,
      residentMegabytesAfterCreation,
      residentMegabytesAfterRecords,
      openFiles,
      idleCores,
      failoverSeconds,
      restartSeconds,
      inSyncAgainSeconds,
      residentMegabytesAtTheEnd: memory(),
    }
  } finally {
    await probe.close()
  }
}

const secondsSince = (fromMs: number): number => Number(((performance.now() - fromMs) / 1000).toFixed(2))

interface Led {
  readonly topic: string
  readonly index: number
}

/** A client of all partitions at once: one request per broker carries a record for each partition that the broker leads. */
class Probe {
  readonly #brokers: ThreeBrokers
  readonly #names: readonly string[]
  readonly #count: number
  readonly #world = nodeWorld()
  readonly #connections = new Map<number, Promise<Connection>>()
  readonly #records = batchOf(['probe'], { timestamp: Date.now() })

  constructor(brokers: ThreeBrokers, names: readonly string[], count: number) {
    this.#brokers = brokers
    this.#names = names
    this.#count = count
  }

  async create(partitionsPerTopic: number): Promise<void> {
    for (const id of [1, 2, 3]) {
      const knowsAll = async (): Promise<boolean> => (await this.#metadata(id, [])).brokers.length === 3
      await this.#until(`three brokers, as broker ${id} knows it`, knowsAll)
    }
    const connection = await this.#connectionTo(await this.controllerId())
    const { topics } = await connection.request(createTopicsRequest, createTopicsResponse, {
      ...emptyOf(createTopicsRequest),
      timeoutMs: patienceMs,
      topics: this.#names.map(name => ({
        name,
        numPartitions: partitionsPerTopic,
        replicationFactor: 3,
        assignments: [],
        configs: [{ name: 'min.insync.replicas', value: String(minInSyncReplicas) }],
      })),
    })
    const failed = topics.find(({ errorCode }) => errorCode !== 0)
    if (failed !== undefined) throw new Error(`${failed.name}: ${errorName(failed.errorCode)} ${failed.errorMessage}`)
  }

  async controllerId(): Promise<number> {
    const { controllerId } = await this.#metadata(1, [])
    return controllerId
  }

  /** Every one of these brokers says that every partition is led and has `replicas` in-sync replicas. */
  async untilInSync(ids: readonly number[], replicas: number): Promise<void> {
    for (const id of ids) {
      await this.#until(`${replicas} in-sync replicas, as broker ${id} knows it`, async () => {
        const { topics } = await this.#metadata(id, this.#names)
        const all = topics.flatMap(({ partitions }) => partitions)
        return all.length === this.#count && all.every(each => each.leaderId > 0 && each.isrNodes.length >= replicas)
      })
    }
  }

  /** A record that is sent from now on is acknowledged by all in-sync replicas of every partition. */
  async untilAllAcked(): Promise<void> {
    const acked = new Set<string>()
    const nextOffset = `an acknowledgement of all ${this.#count}`
    await this.#until(nextOffset, async () => {
      const id = await this.#somebody()
      const { topics } = await this.#metadata(id, this.#names)
      const led = new Map<number, Led[]>()
      for (const { name, partitions } of topics) {
        for (const { leaderId, partitionIndex: index } of partitions) {
          if (leaderId <= 0 || acked.has(`${name}-${index}`)) continue
          if (!led.has(leaderId)) led.set(leaderId, [])
          led.get(leaderId)!.push({ topic: name!, index })
        }
      }
      await Promise.all([...led].map(([leader, partitions]) => this.#produce(leader, partitions, acked)))
      return acked.size === this.#count
    })
  }

  forget(id: number): void {
    this.#connections.delete(id)
  }

  async close(): Promise<void> {
    const open = [...this.#connections.values()]
    await Promise.allSettled(open.map(async connection => (await connection).close()))
  }

  async #produce(leader: number, partitions: readonly Led[], acked: Set<string>): Promise<void> {
    const topicData = Map.groupBy(partitions, ({ topic }) => topic)
    try {
      const connection = await this.#connectionTo(leader)
      const { responses } = await connection.request(produceRequest, produceResponse, {
        ...emptyOf(produceRequest),
        acks: -1,
        timeoutMs: 30_000,
        topicData: [...topicData].map(([name, led]) => ({
          name,
          partitionData: led.map(({ index }) => ({ index, records: this.#records })),
        })),
      })
      for (const { name, partitionResponses } of responses) {
        for (const { index, errorCode } of partitionResponses) if (errorCode === 0) acked.add(`${name}-${index}`)
      }
    } catch {
      // Gone, or not there yet: who leads is asked again.
      this.forget(leader)
    }
  }

  async #somebody(): Promise<number> {
    for (const [index, broker] of this.#brokers.processes.entries()) {
      if (broker.exited || broker.child.killed) continue
      try {
        await this.#connectionTo(index + 1)
        return index + 1
      } catch {
        this.forget(index + 1)
      }
    }
    throw new Error('no broker is there')
  }

  async #metadata(id: number, names: readonly string[]): Promise<MetadataResponse> {
    const connection = await this.#connectionTo(id)
    return await connection.request(metadataRequest, metadataResponse, {
      ...emptyOf(metadataRequest),
      topics: names.map(name => ({ name, topicId: ZERO_UUID })),
      allowAutoTopicCreation: false,
    })
  }

  #connectionTo(id: number): Promise<Connection> {
    const known = this.#connections.get(id)
    if (known !== undefined) return known
    const opened = Connection.open(
      {
        host: '127.0.0.1',
        port: this.#brokers.ports[id - 1]!,
        clientId: 'bench',
        versions: 'negotiate',
        connectTimeoutMs: 5_000,
        requestTimeoutMs: patienceMs,
        onClosed: () => this.#connections.delete(id),
      },
      this.#world,
    )
    this.#connections.set(id, opened)
    return opened
  }

  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + patienceMs
    for (;;) {
      try {
        if (await isSo()) return
      } catch (error) {
        if (performance.now() > endMs) throw error
      }
      if (performance.now() > endMs) throw new Error(`no ${what} within ${patienceMs / 1000} s`)
      await sleep(50)
    }
  }
}
