import { BatchCursor } from '@millrace/protocol/records/batch-cursor'
import { RecordBatch } from '@millrace/protocol/records/record-batch'
import { decodeLeaderEpochCheckpoint, decodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import {
  directoryName,
  leaderEpochCheckpointName,
  parseDirectoryName,
  parseFileName,
  recoveryPointCheckpointName,
} from '@millrace/protocol/storage/file-names'
import { decodeProducerSnapshot } from '@millrace/protocol/storage/producer-snapshot'
import type { PartitionLog } from '@millrace/broker/log/partition-log'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { MemoryLogs } from '@millrace/testing/world/memory-logs'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import type { Checker, Report } from './checker.ts'
import { directoryFileDifference, fileDifference } from './describe-log-file.ts'
import { jsonDifference } from './json-difference.ts'
import type { DescribedBatch, DescribedDirectory, DescribedFile, LogDirs } from './log-dirs-format.ts'
import { untar } from './tar.ts'

/**
 * `log-dirs.json` with its archive: log directories as Kafka left them. Every file must read as Kafka's own tool reads it and be written
 * again to the same bytes. Then our log room opens each copy: all batches must be there, a clean one must stay as it is, and what recovery
 * makes of `X` must be what Kafka made of it in `X-recovered`.
 */
export const checker: Checker = {
  format: 'log-dirs',

  recognizes: first =>
    Object.values(first).some(
      copy => typeof copy === 'object' && copy !== null && Object.values(copy).some(hasPartitions),
    ),

  async check(file, report) {
    const archive = untar(file.companion('log-dirs.tar.gz'))
    for (const { value, line } of file.vectors) {
      const copies = value as unknown as LogDirs
      for (const [copy, brokers] of Object.entries(copies)) {
        for (const [broker, described] of Object.entries(brokers)) {
          const directory = new Directory(`${copy}/${broker}`, described, archive)
          checkFiles(directory, report, line)
          await checkOpening(directory, report, line)
          const recovered = copies[`${copy}-recovered`]?.[broker]
          if (recovered === undefined) continue
          await checkRecovery(directory, new Directory(`${copy}-recovered/${broker}`, recovered, archive), report, line)
        }
      }
    }
  },
}

function hasPartitions(broker: unknown): boolean {
  return typeof broker === 'object' && broker !== null && 'partitions' in broker && 'files' in broker
}

/** One log directory: what is in it, and what the tool said of that. */
class Directory {
  readonly name: string
  readonly described: DescribedDirectory
  readonly bytes: ReadonlyMap<string, Buffer>

  constructor(name: string, described: DescribedDirectory, archive: ReadonlyMap<string, Buffer>) {
    this.name = name
    this.described = described
    const inside = [...archive].filter(([path]) => path.startsWith(`${name}/`))
    this.bytes = new Map(inside.map(([path, bytes]) => [path.slice(name.length + 1), bytes]))
  }

  get isClean(): boolean {
    return '.kafka_cleanshutdown' in this.described.files
  }

  /** After the last record of all, so that no producer has expired. */
  get nowMs(): number {
    return Math.max(...this.allBatches().map(batch => batch.CreateTime ?? batch.LogAppendTime ?? 0)) + 1000
  }

  allBatches(): DescribedBatch[] {
    return Object.values(this.described.partitions).flatMap(files =>
      Object.values(files).flatMap(({ batches }) => batches ?? []),
    )
  }

  /** By `topic-partition`; 0 where the file says nothing. */
  checkpoint(name: string): (partition: string) => number {
    const entries = decodeOffsetCheckpoint(this.bytes.get(name) ?? Buffer.alloc(0))
    const offsets = new Map(entries.map(({ topic, partition, offset }) => [directoryName(topic, partition), offset]))
    return partition => offsets.get(partition) ?? 0
  }

  /** The `.log` files of a partition by base offset. */
  segments(partition: string): { baseOffset: number; file: DescribedFile; bytes: Buffer }[] {
    return Object.entries(this.described.partitions[partition] ?? {})
      .flatMap(([name, file]) => {
        const parsed = parseFileName(name)
        if (parsed?.suffix !== '.log') return []
        return [{ baseOffset: parsed.baseOffset, file, bytes: this.bytes.get(`${partition}/${name}`)! }]
      })
      .sort((left, right) => left.baseOffset - right.baseOffset)
  }

  logStartOffset(partition: string): number {
    return Math.max(
      this.segments(partition)[0]?.baseOffset ?? 0,
      this.checkpoint('log-start-offset-checkpoint')(partition),
    )
  }

  /** A copy in memory that our logs may change. */
  files(): MemoryFiles {
    const files = new MemoryFiles()
    files.nowMs = this.nowMs
    files.makeDirectory('/data')
    for (const [path, bytes] of this.bytes) {
      if (path.includes('/')) files.makeDirectory(`/data/${path.slice(0, path.indexOf('/'))}`)
      files.replaceFile(`/data/${path}`, bytes)
    }
    return files
  }

  open(files: MemoryFiles, indexIntervalBytes: number): Promise<MemoryLogs> {
    const time = new VirtualTime({ wallMs: this.nowMs })
    return MemoryLogs.open({ files, time, settings: { indexIntervalBytes } })
  }
}

function checkFiles(directory: Directory, report: Report, line: number): void {
  const tell = (type: string, subject: string, difference: () => string | null): void => {
    let why: string | null
    try {
      why = difference()
    } catch (error) {
      why = String(error)
    }
    if (why === null) report.passed(type)
    else report.failed(type, { line, subject: `${directory.name}/${subject}`, why })
  }
  for (const [name, text] of Object.entries(directory.described.files)) {
    tell('file of a log directory', name, () =>
      directoryFileDifference(name, directory.bytes.get(name) ?? Buffer.alloc(0), text),
    )
  }
  for (const [partition, files] of Object.entries(directory.described.partitions)) {
    for (const [name, file] of Object.entries(files)) {
      const suffix = parseFileName(name)?.suffix ?? name
      const path = `${partition}/${name}`
      tell(`file ${suffix}`, path, () => {
        const bytes = directory.bytes.get(path)
        return bytes === undefined ? 'not in the archive' : fileDifference(name, bytes, file)
      })
    }
  }
}

/** Offsets and batches after opening; and that opening and closing a clean directory changes nothing. */
async function checkOpening(directory: Directory, report: Report, line: number): Promise<void> {
  const files = directory.files()
  const logs = await directory.open(files, 4096)
  const type = directory.isClean ? 'opened after a clean stop' : 'opened after a kill'
  for (const partition of Object.keys(directory.described.partitions)) {
    const { topic, partition: index } = parseDirectoryName(partition)!
    const log = logs.directories.get(topic, index)
    const why = log === undefined ? 'not loaded' : openedDifference(directory, partition, log)
    if (why === null) report.passed(type)
    else report.failed(type, { line, subject: `${directory.name}/${partition}`, why })
  }
  await logs.close()
  if (!directory.isClean) return
  for (const path of new Set([
    ...directory.bytes.keys(),
    ...[...files.snapshot().keys()].map(each => each.slice('/data/'.length)),
  ])) {
    if (path === '.lock') continue
    const before = directory.bytes.get(path)
    const after = files.stat(`/data/${path}`) === null ? undefined : files.readFile(`/data/${path}`)
    const why = changeOf(directory, path, before, after)
    if (why === null) report.passed('unchanged by opening and closing')
    else report.failed('unchanged by opening and closing', { line, subject: `${directory.name}/${path}`, why })
  }
}

/** Null for what Kafka changes too: it forgets epochs that begin at the end of the log, and snapshots at or below its start. */
function changeOf(
  directory: Directory,
  path: string,
  before: Buffer | undefined,
  after: Buffer | undefined,
): string | null {
  const [partition = '', name = ''] = path.split('/')
  const parsed = parseFileName(name)
  if (after === undefined) {
    const logStartOffset = directory.logStartOffset(partition)
    return parsed?.suffix === '.snapshot' && parsed.baseOffset <= logStartOffset ? null : 'gone'
  }
  if (before === undefined) return 'new'
  const same =
    name === leaderEpochCheckpointName
      ? sameEpochs(directory, partition, before, after)
      : sameContent(path, before, after)
  return same ? null : 'changed'
}

/** Lines of checkpoints and producers of snapshots stand in hash order: no order at all. */
function sameContent(path: string, before: Buffer, after: Buffer): boolean {
  if (before.equals(after)) return true
  if (path.endsWith('-offset-checkpoint')) return jsonDifference(sortedLines(before), sortedLines(after)) === null
  if (path.endsWith('.snapshot')) return jsonDifference(producersOf(before), producersOf(after)) === null
  return false
}

function sortedLines(bytes: Buffer): string[] {
  return bytes.toString().split('\n').sort()
}

function producersOf(bytes: Buffer): unknown[] {
  return decodeProducerSnapshot(bytes).sort((left, right) => left.producerId - right.producerId)
}

function openedDifference(directory: Directory, partition: string, log: PartitionLog): string | null {
  const expected = readableBatches(directory, partition)
  const logStartOffset = directory.logStartOffset(partition)
  const lastOffset = expected.at(-1)?.lastOffset
  const logEndOffset = directory.isClean
    ? directory.checkpoint(recoveryPointCheckpointName)(partition)
    : lastOffset === undefined
      ? logStartOffset
      : lastOffset + 1
  const highWatermark = Math.min(directory.checkpoint('replication-offset-checkpoint')(partition), logEndOffset)
  const difference = jsonDifference(
    { logStartOffset, logEndOffset, highWatermark },
    { logStartOffset: log.logStartOffset, logEndOffset: log.logEndOffset, highWatermark: log.highWatermark },
  )
  if (difference !== null) return difference
  const wanted = expected
    .filter(batch => batch.lastOffset >= logStartOffset)
    .map(({ baseOffset, lastOffset: last, crc, size }) => ({ baseOffset, lastOffset: last, crc, size }))
  for (const maxBytes of [1, 700, 1 << 20]) {
    const why = jsonDifference(wanted, readAll(log, maxBytes))
    if (why !== null) return `read by ${maxBytes} bytes: ${why}`
  }
  return lookupDifference(log, wanted)
}

/** What lies in front of the first damage, which only counts where recovery looks: from the segment of the recovery point on. */
function readableBatches(directory: Directory, partition: string): DescribedBatch[] {
  const recoveryPoint = directory.isClean ? Infinity : directory.checkpoint(recoveryPointCheckpointName)(partition)
  const readable: DescribedBatch[] = []
  const segments = directory.segments(partition)
  for (const [index, { file }] of segments.entries()) {
    const isChecked = (segments[index + 1]?.baseOffset ?? Infinity) > recoveryPoint
    const batches = file.batches ?? []
    const damaged = isChecked ? batches.findIndex(({ isvalid }) => !isvalid) : -1
    readable.push(...(damaged < 0 ? batches : batches.slice(0, damaged)))
    const end = batches.reduce((sum, { size }) => sum + size, 0)
    if (damaged >= 0 || (isChecked && end < file.size)) break
  }
  return readable
}

interface ReadBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly crc: number
  readonly size: number
}

function readAll(log: PartitionLog, maxBytes: number): ReadBatch[] {
  const batches: ReadBatch[] = []
  for (let fetchOffset = log.logStartOffset; ;) {
    const read = log.read({ fetchOffset, maxBytes, endOffset: log.logEndOffset, minOneBatch: true })
    if (read === null) return batches
    const cursor = new BatchCursor(read.bytes)
    while (cursor.next()) {
      const { baseOffset, lastOffset, crc, size } = new RecordBatch(read.bytes, cursor.position)
      batches.push({ baseOffset, lastOffset, crc, size })
    }
    fetchOffset = read.nextOffset
    read.release()
  }
}

/** A fetch at every offset begins with the first batch that ends at or after it. */
function lookupDifference(log: PartitionLog, batches: readonly ReadBatch[]): string | null {
  for (let fetchOffset = log.logStartOffset; fetchOffset < log.logEndOffset; fetchOffset++) {
    const wanted = batches.find(({ lastOffset }) => lastOffset >= fetchOffset)?.baseOffset
    const read = log.read({ fetchOffset, maxBytes: 1, endOffset: log.logEndOffset, minOneBatch: true })
    const found = read?.firstOffset
    read?.release()
    if (found !== wanted) return `a fetch at ${fetchOffset} begins at ${found}, not ${wanted}`
  }
  return null
}

/** Our recovery of `torn` against Kafka's, file by file, after both have stopped in order. */
async function checkRecovery(torn: Directory, recovered: Directory, report: Report, line: number): Promise<void> {
  const type = 'recovered as Kafka recovers it'
  for (const partition of Object.keys(recovered.described.partitions)) {
    const files = torn.files()
    const logs = await torn.open(files, indexInterval(torn, recovered, partition))
    await logs.close()
    const why = recoveryDifference(recovered, partition, files)
    if (why === null) report.passed(type)
    else report.failed(type, { line, subject: `${torn.name}/${partition}`, why })
  }
}

function recoveryDifference(recovered: Directory, partition: string, files: MemoryFiles): string | null {
  const ours = files.list(`/data/${partition}`).filter(name => !name.endsWith('.deleted'))
  const theirs = Object.keys(recovered.described.partitions[partition]!)
  const names = jsonDifference(theirs.sort(), ours.sort())
  if (names !== null) return `files ${ours.join(' ')} instead of ${theirs.join(' ')}`
  for (const name of theirs) {
    const expected = recovered.bytes.get(`${partition}/${name}`)!
    const found = files.readFile(`/data/${partition}/${name}`)
    const same =
      name === leaderEpochCheckpointName
        ? sameEpochs(recovered, partition, expected, found)
        : sameContent(name, expected, found)
    if (!same) return `${name} differs`
  }
  const offset = recovered.checkpoint(recoveryPointCheckpointName)(partition)
  const point = decodeOffsetCheckpoint(files.readFile(`/data/${recoveryPointCheckpointName}`)).find(
    each => directoryName(each.topic, each.partition) === partition,
  )?.offset
  return offset === point ? null : `recovery point ${point}, not ${offset}`
}

/** Kafka's broker was elected leader again afterwards, which added an epoch at the end of the log. */
function sameEpochs(recovered: Directory, partition: string, expected: Buffer, found: Buffer): boolean {
  const logEndOffset = recovered.checkpoint(recoveryPointCheckpointName)(partition)
  const before = (bytes: Buffer): unknown =>
    decodeLeaderEpochCheckpoint(bytes).filter(({ startOffset }) => startOffset < logEndOffset)
  return jsonDifference(before(expected), before(found)) === null
}

/** index.interval.bytes of a topic, which nobody recorded: a value that explains the indexes that Kafka rebuilt. */
function indexInterval(torn: Directory, recovered: Directory, partition: string): number {
  const recoveryPoint = torn.checkpoint(recoveryPointCheckpointName)(partition)
  const segments = recovered.segments(partition)
  const rebuilt = segments.filter((_, index) => (segments[index + 1]?.baseOffset ?? Infinity) > recoveryPoint)
  const explains = (interval: number): boolean =>
    rebuilt.every(({ baseOffset, file }) => {
      const name = `${String(baseOffset).padStart(20, '0')}.index`
      const expected = recovered.described.partitions[partition]![name]?.entries ?? []
      return jsonDifference(expected, entriesAt(file.batches ?? [], interval)) === null
    })
  const likely = [4096, 1000, 500, 300, 200]
  return likely.find(explains) ?? Array.from({ length: 4096 }, (_, interval) => interval).find(explains) ?? 4096
}

function entriesAt(batches: readonly DescribedBatch[], interval: number): { offset: number; position: number }[] {
  let indexed = 0
  return batches.flatMap(({ lastOffset, position }) => {
    if (position - indexed <= interval) return []
    indexed = position
    return [{ offset: lastOffset, position }]
  })
}
