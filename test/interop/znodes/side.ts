import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Connection } from '@millrace/client/connection/connection'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import type { Message } from '@millrace/protocol/schema'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { AnyVersion, type Coordination } from '@millrace/zookeeper/coordination'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { startKafka } from '../../oracles/kafka.ts'
import { eventually, freePorts, untilListening, type RunningProcess } from '../../oracles/processes.ts'
import { startBrokerProcess } from '../clusters.ts'
import { readTree, type Tree } from './tree.ts'

export type Product = 'millrace' | 'kafka'

/** Longer than a broker is stopped for its followers or leaders to notice, on a machine that is busy with other tests. */
const sessionTimeoutMs = 10_000
const requestTimeoutMs = 30_000

/** Three broker processes of one product, ids 0 to 2, configured as those of the recording, under a path of their own. */
export class Side {
  readonly product: Product
  private readonly zookeeper: string
  private readonly folder: string
  private readonly ports: readonly { readonly client: number; readonly internal: number }[]
  private readonly processes: (RunningProcess | null)[] = [null, null, null]
  /** Removes what each start of a broker left in temporary folders. */
  private readonly leftovers: (() => Promise<void>)[] = []
  private readonly world = nodeWorld()
  private readonly observer: Coordination

  static async open(product: Product, zookeeper: string): Promise<Side> {
    const ports = await freePorts(6)
    const side = new Side(
      product,
      `${zookeeper}/${product}`,
      [0, 1, 2].map(i => ({ client: ports[i]!, internal: ports[i + 3]! })),
    )
    await side.observer.connect()
    return side
  }

  private constructor(product: Product, zookeeper: string, ports: Side['ports']) {
    this.product = product
    this.zookeeper = zookeeper
    this.ports = ports
    this.folder = mkdtempSync(join(tmpdir(), `millrace-znodes-${product}-`))
    this.observer = ensembleCoordination({
      servers: zookeeper,
      sessionTimeoutMs: 20_000,
      connectionTimeoutMs: 20_000,
      world: this.world,
      logger: silentLogger,
    })
  }

  async start(id: number): Promise<void> {
    const { client, internal } = this.ports[id]!
    const properties = {
      listeners: `CLIENT://127.0.0.1:${client},INTERNAL://127.0.0.1:${internal}`,
      'listener.security.protocol.map': 'CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT',
      'inter.broker.listener.name': 'INTERNAL',
      'zookeeper.session.timeout.ms': String(sessionTimeoutMs),
      'auto.leader.rebalance.enable': 'false',
      // A follower that is stopped leaves the ISR before its session ends.
      'replica.lag.time.max.ms': '3000',
      'broker.rack': `rack-${id % 2}`,
      // A controller that is deposed before its session ends is still registered when the next one looks: it then loses a broker
      // where Kafka's finds one missing, and writes the same states with other epochs and versions.
      ...(this.product === 'millrace' ? { 'millrace.fast.failure.detection.enable': 'false' } : {}),
    }
    const logDirs = join(this.folder, `broker-${id}`)
    const common = { brokerId: id, port: client, zookeeper: this.zookeeper, logDirs, properties }
    if (this.product === 'kafka') {
      const java = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
      const broker = await startKafka({ ...common, java })
      this.processes[id] = broker.process
      this.leftovers.push(() => broker.stop())
    } else {
      this.processes[id] = startBrokerProcess(common)
      await untilListening(client, 30_000, this.processes[id])
    }
    await this.knowEachOther()
  }

  /** SIGTERM, and waits for the end. */
  async stop(id: number): Promise<void> {
    this.processes[id]?.kill('SIGTERM')
    await this.processes[id]?.ended()
    this.processes[id] = null
  }
  /** SIGKILL; what its session holds goes at once and together, as at the session's end, for which nobody waits. */
  async kill(id: number): Promise<void> {
    this.processes[id]?.kill('SIGKILL')
    await this.processes[id]?.ended()
    this.processes[id] = null
    const isController = (await this.controllerId()) === id
    const paths = [`/brokers/ids/${id}`, ...(isController ? ['/controller'] : [])]
    await this.observer.multi(paths.map(path => ({ op: 'delete', path, version: AnyVersion })))
  }
  /** Stopped for longer than its session lasts, so that it must register again. */
  async outliveSession(id: number): Promise<void> {
    this.processes[id]?.kill('SIGSTOP')
    await this.until(tree => tree[`/brokers/ids/${id}`] === undefined)
    this.processes[id]?.kill('SIGCONT')
    await this.until(tree => tree[`/brokers/ids/${id}`] !== undefined)
    await this.knowEachOther()
  }

  /** SIGSTOP; not for as long as a session lasts. */
  pause(id: number): void {
    this.processes[id]?.kill('SIGSTOP')
  }
  goOn(id: number): void {
    this.processes[id]?.kill('SIGCONT')
  }

  /** Every running broker knows every other and the controller, and so does the controller. */
  async knowEachOther(): Promise<void> {
    const running = this.processes.flatMap((process, id) => (process === null ? [] : [id]))
    const request = {
      topics: [],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    }
    const controllers = new Set<number>()
    await eventually(async () => {
      controllers.clear()
      for (const id of running) {
        const { brokers, controllerId } = await this.ask(id, metadataRequest, metadataResponse, request)
        if (brokers.length !== running.length || !running.includes(controllerId)) return false
        controllers.add(controllerId)
      }
      return controllers.size === 1 && controllers.has(await this.controllerId())
    }, 30_000)
  }

  /** -1: none at the moment. */
  async controllerId(): Promise<number> {
    if ((await this.observer.exists('/controller')) === null) return -1
    const { data } = await this.observer.get('/controller')
    return (JSON.parse(data.toString()) as { brokerid: number }).brokerid
  }
  deleteByHand(path: string): Promise<void> {
    return this.observer.delete(path, AnyVersion)
  }
  async createByHand(path: string): Promise<void> {
    await this.observer.create(path, null)
  }
  /** Deletes `/controller` while the others are stopped for a moment, shorter than their sessions: this one wins. */
  async elect(id: number): Promise<void> {
    const others = this.processes.filter((process, other) => process !== null && other !== id)
    for (const process of others) process?.kill('SIGSTOP')
    try {
      await this.deleteByHand('/controller')
      await this.until(tree => tree['/controller']?.owner === `broker ${id}`)
    } finally {
      for (const process of others) process?.kill('SIGCONT')
    }
    await this.knowEachOther()
  }

  /** One request on a connection of its own. */
  async ask<Q, R>(id: number | 'controller', request: Message<Q>, response: Message<R>, value: Q): Promise<R> {
    const port = this.ports[id === 'controller' ? await this.controllerId() : id]!.client
    const connection = await Connection.open(
      { host: '127.0.0.1', port, clientId: 'test', versions: 'negotiate', connectTimeoutMs: 10_000, requestTimeoutMs },
      this.world,
    )
    try {
      return await connection.request(request, response, value)
    } finally {
      await connection.close()
    }
  }

  tree(): Promise<Tree> {
    return readTree(this.observer)
  }
  async until(condition: (tree: Tree) => boolean): Promise<void> {
    await eventually(async () => condition(await this.tree()), 30_000)
  }

  /** What the running brokers printed lately: for people who look at a failure. */
  output(): string {
    return this.processes.map(process => process?.output() ?? '').join('\n')
  }

  async close(): Promise<void> {
    for (const process of this.processes) process?.kill('SIGKILL')
    await Promise.all(this.processes.map(process => process?.ended() ?? Promise.resolve(0)))
    await Promise.all(this.leftovers.map(remove => remove()))
    await this.observer.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}
