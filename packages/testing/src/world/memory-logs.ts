import { LogDirectories } from '@millrace/broker/log/log-directories'
import type { CleanerSettings } from '@millrace/broker/log/cleaner'
import type { LogDirectoriesEffects } from '@millrace/broker/log/log-directories'
import type { PartitionLog } from '@millrace/broker/log/partition-log'
import type { TopicSettings } from '@millrace/broker/settings/topic-settings'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import { silentLogger } from '@millrace/runtime/logger'
import type { Logger } from '@millrace/runtime/logger'
import { Metrics } from '@millrace/runtime/metrics'
import type { World } from '@millrace/runtime/ports'
import { MemoryFiles } from './memory-files.ts'
import { SeededRandom } from './seeded-random.ts'
import { topicSettings } from './topic-settings.ts'
import { VirtualTime } from './virtual-time.ts'

export interface MemoryLogsOptions {
  /** Default: an empty one. */
  readonly files?: MemoryFiles
  readonly time?: VirtualTime
  readonly directories?: readonly string[]
  readonly settings?: Partial<TopicSettings>
  readonly seed?: number
  readonly openFilesMax?: number
  /** Default 0: every read is one of the file. */
  readonly tailBytesMax?: number
  readonly logger?: Logger
  readonly producerIdExpirationMs?: number
  /** Compaction runs once `directories.start()` was called; what is not given here is Kafka's default. */
  readonly cleaner?: Partial<CleanerSettings>
}

const cleanerDefaults: CleanerSettings = {
  threads: 1,
  dedupeBufferBytes: 134_217_728,
  ioBufferBytes: 524_288,
  loadFactor: 0.9,
  maxBytesPerSecond: Number.MAX_VALUE,
  backoffMs: 15_000,
}

/** The logs of a broker in memory and virtual time. */
export class MemoryLogs {
  readonly files: MemoryFiles
  readonly time: VirtualTime
  readonly bufferPool = new BufferPool()
  readonly directories: LogDirectories
  readonly metrics = new Metrics()
  settings: TopicSettings
  cleanerSettings: CleanerSettings

  constructor(options: MemoryLogsOptions = {}) {
    this.files = options.files ?? new MemoryFiles()
    this.time = options.time ?? new VirtualTime()
    this.settings = topicSettings(options.settings)
    this.cleanerSettings = { ...cleanerDefaults, ...options.cleaner }
    const { time, files } = this
    const world = { clock: time, timers: time, random: new SeededRandom(options.seed ?? 1), files } as unknown as World
    this.directories = new LogDirectories({
      world,
      logger: options.logger ?? silentLogger,
      bufferPool: this.bufferPool,
      directories: options.directories ?? ['/data'],
      settingsOf: () => this.settings,
      retentionCheckIntervalMs: 300_000,
      flushCheckIntervalMs: Number.MAX_SAFE_INTEGER,
      recoveryPointCheckpointIntervalMs: 60_000,
      logStartOffsetCheckpointIntervalMs: 60_000,
      highWatermarkCheckpointIntervalMs: 5_000,
      producerIdExpirationMs: () => options.producerIdExpirationMs ?? 86_400_000,
      producerIdExpirationCheckIntervalMs: 600_000,
      cleaner: options.cleaner === undefined ? null : () => this.cleanerSettings,
      metrics: this.metrics,
      ...(options.openFilesMax === undefined ? {} : { openFilesMax: options.openFilesMax }),
      tailBytesMax: options.tailBytesMax ?? 0,
    })
  }

  /** Loads what is there. */
  static async open(options: MemoryLogsOptions = {}): Promise<MemoryLogs> {
    const logs = new MemoryLogs(options)
    await logs.whileRunning(logs.directories.load())
    return logs
  }

  log(topic = 'topic', partition = 0): PartitionLog {
    return (
      this.directories.get(topic, partition) ??
      this.directories.create({ topic, partition, topicId: null, isNew: true })
    )
  }

  attach(effects: LogDirectoriesEffects): void {
    this.directories.attach(effects)
  }

  /** Lets compaction do all it finds to do at this moment. */
  async compact(): Promise<void> {
    const { cleaner } = this.directories
    cleaner!.start()
    await this.time.run()
    for (let turn = 0; cleaner!.runningCount > 0 && turn < 100_000; turn++) await this.time.run()
  }

  close(): Promise<void> {
    return this.whileRunning(this.directories.close())
  }

  /** Lets turns end until `work` is done. */
  async whileRunning<T>(work: Promise<T>): Promise<T> {
    const state = { isDone: false }
    const settle = (): void => {
      state.isDone = true
    }
    work.then(settle, settle)
    for (let turn = 0; !state.isDone && turn < 100_000; turn++) await this.time.run()
    return work
  }
}
