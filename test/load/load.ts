import { appendFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeWorld } from '@millrace/runtime/node/world'
import { formatOperation, parseHistory, type Operation } from '@millrace/testing/checkers/history'
import { BrokerLinks, type BrokerAddress } from '@millrace/testing/workload/broker-links'
import { RawProducer } from '@millrace/testing/workload/raw-producer'
import { RawReader } from '@millrace/testing/workload/raw-reader'
import { TopicLeaders } from '@millrace/testing/workload/topic-leaders'
import { oraclePath } from '../oracles/oracles.ts'
import { startProcess, type RunningProcess } from '../oracles/processes.ts'

export interface LoadOptions {
  readonly brokers: () => readonly BrokerAddress[]
  readonly bootstrap: string
  readonly topic: string
  readonly partitions: number
  /** Histories and output of the load: one file per process. */
  readonly folder: string
  /** Records per second; 0: none. */
  readonly rates?: Partial<LoadRates>
}

export interface LoadRates {
  /** librdkafka, idempotent, acks=all. */
  readonly idempotent: number
  /** Our raw producer, acks=all, without idempotence. */
  readonly raw: number
  /** The same with acks=1: what it loses is counted apart. */
  readonly weak: number
}

/** What the producers of librdkafka said in the end. */
export interface LibraryReport {
  readonly sent: number
  readonly acked: number
  readonly unknown: number
  readonly left: number
  /** The producer gave up: it had lost its order, or its sequence. */
  readonly fatal: readonly string[]
}

const defaultRates: LoadRates = { idempotent: 150, raw: 80, weak: 40 }
const acknowledgementMs = 1000
/** How long the last records may take to be acknowledged, once the load has been told to stop. */
const flushMs = 40_000

/**
 * Producers and readers on one topic, each of which writes down what it called and what it got: librdkafka in processes of its
 * own, our raw clients in this one. The topic exists.
 */
export class Load {
  /** From when on gaps between acknowledgements count. */
  startMs: number
  private readonly options: LoadOptions
  private readonly world = nodeWorld()
  private readonly links: BrokerLinks
  private readonly library: { readonly kind: 'produce' | 'read'; readonly process: RunningProcess }[] = []
  private readonly producers: RawProducer[] = []
  private readonly readers: RawReader[] = []
  /** By partition: when the last of the raw sends began that was acknowledged with acks=all. */
  private readonly lastAckedStartMs = new Map<number, number>()
  private pending: string[] = []
  private pendingBytes = 0

  constructor(options: LoadOptions) {
    this.options = options
    this.startMs = this.world.clock.monotonicMs()
    mkdirSync(options.folder, { recursive: true })
    const { brokers } = options
    const timeouts = { connectTimeoutMs: 2000, requestTimeoutMs: 8000 }
    this.links = new BrokerLinks({ brokers, world: this.world, clientId: 'raw', ...timeouts })
  }

  start(): void {
    const { topic, partitions, brokers } = this.options
    const rates = { ...defaultRates, ...this.options.rates }
    if (rates.idempotent > 0) this.launch('produce', 'rdkafka', { perSecond: rates.idempotent })
    this.launch('read', 'rdreader', {})
    const leaders = new TopicLeaders({ links: this.links, world: this.world, topic })
    const { links, world } = this
    const all = { topic, partitions, links, leaders, world, record: (each: Operation) => this.record(each) }
    if (rates.raw > 0) this.producers.push(new RawProducer({ ...all, process: 'raw', acks: -1, perSecond: rates.raw }))
    if (rates.weak > 0)
      this.producers.push(new RawProducer({ ...all, process: 'weak', acks: 1, perSecond: rates.weak }))
    const brokerIds = brokers().map(({ id }) => id)
    this.readers.push(new RawReader({ ...all, process: 'leader-reader', from: 'leader', brokerIds }))
    this.readers.push(new RawReader({ ...all, process: 'replica-reader', from: 'replica', brokerIds }))
    for (const each of [...this.producers, ...this.readers]) each.start()
  }

  /** Nothing more is sent; resolves when what was sent has its outcome. Readers go on. */
  async stopProducers(): Promise<LibraryReport[]> {
    const processes = this.library.filter(({ kind }) => kind === 'produce').map(({ process }) => process)
    const [reports] = await Promise.all([
      Promise.all(processes.map(process => endOf(process, flushMs + 20_000))),
      Promise.all(this.producers.map(producer => producer.stop())),
    ])
    return reports.map(output => JSON.parse(output) as LibraryReport)
  }

  /** Ends what `stopProducers` left. */
  async close(): Promise<void> {
    await Promise.all(this.readers.map(reader => reader.stop()))
    const processes = this.library.map(({ process }) => process)
    await Promise.all(processes.map(async process => (process.exited ? '' : endOf(process, 20_000))))
    await this.links.close()
    this.flush()
  }

  /** All that was written down so far, by every process whose file is complete. */
  history(): Operation[] {
    this.flush()
    const { folder } = this.options
    const files = readdirSync(folder).filter(name => name.endsWith('.jsonl'))
    return files.flatMap(name => parseHistory(readFileSync(join(folder, name), 'utf8')))
  }

  /** Did the raw producer get an acknowledgement (acks=all) of this partition, of something that was sent after this call? */
  async isAcknowledging(partition: number): Promise<boolean> {
    const fromMs = this.world.clock.monotonicMs()
    const endMs = fromMs + acknowledgementMs
    while ((this.lastAckedStartMs.get(partition) ?? -Infinity) < fromMs) {
      if (this.world.clock.monotonicMs() > endMs) return false
      await new Promise<void>(resolve => void this.world.timers.after(5, resolve))
    }
    return true
  }

  record(operation: Operation): void {
    if (operation.type === 'send' && operation.acks === -1 && operation.result === 'ok') {
      this.lastAckedStartMs.set(operation.partition, operation.startMs)
    }
    const line = formatOperation(operation)
    this.pending.push(line)
    this.pendingBytes += line.length
    if (this.pendingBytes > 256 * 1024) this.flush()
  }

  private flush(): void {
    if (this.pending.length === 0) return
    appendFileSync(join(this.options.folder, 'raw.jsonl'), this.pending.join(''))
    this.pending = []
    this.pendingBytes = 0
  }

  private launch(kind: 'produce' | 'read', process: string, more: Readonly<Record<string, unknown>>): void {
    const { topic, partitions, bootstrap, folder } = this.options
    const options = {
      ...{ process, topic, partitions, bootstrap, file: join(folder, `${process}.jsonl`) },
      ...{ messageTimeoutMs: 600_000, queueMax: 2000, flushSeconds: flushMs / 1000 },
      ...more,
    }
    const started = startProcess({
      name: process,
      command: oraclePath('confluent'),
      args: [join(import.meta.dirname, 'python', `${kind}.py`), JSON.stringify(options)],
      stdin: 'pipe',
      outputFile: join(folder, `${process}.log`),
    })
    this.library.push({ kind, process: started })
  }
}

/** Tells the process to stop; its last line of output. Rejects when it does not end, or ends with an error other than 3. */
async function endOf(process: RunningProcess, timeoutMs: number): Promise<string> {
  process.child.stdin?.on('error', () => {
    /* it ended by itself; its exit code tells */
  })
  process.child.stdin?.end('stop\n')
  const timer = setTimeout(() => process.kill('SIGKILL'), timeoutMs)
  const outcome = await process.ended()
  clearTimeout(timer)
  const lines = process.output().trim().split('\n')
  if (outcome !== 0 && outcome !== 3)
    throw new Error(`${process.name} ended with ${outcome}: ${lines.slice(-10).join('\n')}`)
  return lines.at(-1) ?? ''
}
