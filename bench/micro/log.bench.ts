// What the partition log costs above the file itself: appends as they come from sockets, fetches as they go out. Both sides in one run, on the
// page cache; compare the ratios, not the megabytes, between machines.
// npm run bench -- micro/log [--folder DIR]: a folder on the disk to measure (default: the temporary one).
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LogDirectories } from '@millrace/broker/log/log-directories'
import type { PartitionLog } from '@millrace/broker/log/partition-log'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { topicSettings } from '@millrace/testing/world/topic-settings'
import { noTimers } from '@millrace/testing/data-path/no-timers'

/** Appended per measurement, and read back. */
const totalBytes = 512 * 1024 * 1024
const option = process.argv.indexOf('--folder')
const parent = option < 0 ? tmpdir() : process.argv[option + 1]!
const folder = fs.mkdtempSync(join(parent, 'millrace-log-bench-'))
const bufferPool = new BufferPool()
const world = nodeWorld({ bufferPool })
const logs = new LogDirectories({
  world,
  logger: silentLogger,
  bufferPool,
  directories: [join(folder, 'logs')],
  settingsOf: () => topicSettings({ maxMessageBytes: 2_000_000 }),
  ...noTimers,
})
await logs.load()

/** `perTurn`: appends that share the end of a turn, as the requests do that one poll of the sockets brings. */
const shapes = [
  { name: '1 x 100 B', records: 1, valueBytes: 100, perTurn: 16, totalBytes: 64 * 1024 * 1024 },
  { name: '100 x 100 B', records: 100, valueBytes: 100, perTurn: 8, totalBytes },
  { name: '1000 x 1 KiB', records: 1000, valueBytes: 1024, perTurn: 4, totalBytes },
]

console.log(
  ['shape'.padEnd(14), 'append MB/s', 'M msg/s', 'raw MB/s', 'ratio', '| read MB/s', 'raw MB/s', 'ratio'].join('  '),
)
for (const [index, shape] of shapes.entries()) {
  const records = Array.from({ length: shape.records }, () => ({
    timestamp: Date.now(),
    key: null,
    value: Buffer.alloc(shape.valueBytes, 'x'),
  }))
  const template = buildBatch(records)
  const log = logs.create({ topic: 'bench', partition: index, topicId: null, isNew: true })
  // Once to warm code and memory, then measured.
  await append(log, template, shape.perTurn, shape.totalBytes / 8)
  const appended = await append(log, template, shape.perTurn, shape.totalBytes)
  const raw = rawAppend(template, shape.perTurn, shape.totalBytes)
  readAll(log)
  const read = readAll(log)
  const rawReads = rawRead(`${log.path}/00000000000000000000.log`)
  const messages = (appended / template.length) * shape.records
  const column = (value: number, digits = 0): string => value.toFixed(digits).padStart(9)
  console.log(
    [
      shape.name.padEnd(14),
      column(appended / 1e6),
      column(messages / 1e6, 2),
      column(raw / 1e6),
      column(appended / raw, 2),
      '|',
      column(read / 1e6),
      column(rawReads / 1e6),
      column(read / rawReads, 2),
    ].join('  '),
  )
}
await logs.close()
fs.rmSync(folder, { recursive: true })

/** Bytes per second, checks included. The frames are copies, as a socket would have brought them. */
async function append(log: PartitionLog, template: Buffer, perTurn: number, bytes: number): Promise<number> {
  const frames = Array.from({ length: perTurn }, () => Buffer.from(template))
  const turns = Math.ceil(bytes / (template.length * perTurn))
  const start = process.hrtime.bigint()
  for (let turn = 0; turn < turns; turn++) {
    for (const frame of frames) {
      template.copy(frame, 0, 0, 16)
      const outcome = log.appendAsLeader(frame, { leaderEpoch: 0, origin: 'client', apiVersion: 9, nowMs: Date.now() })
      if (!outcome.ok) throw new Error(`error ${outcome.errorCode}`)
    }
    await new Promise<void>(resolve => world.timers.soon(resolve))
  }
  return perSecond(turns * perTurn * template.length, start)
}

/** The same bytes by one `write` per turn. */
function rawAppend(template: Buffer, perTurn: number, bytes: number): number {
  const path = join(folder, 'raw')
  const fd = fs.openSync(path, 'w')
  const turn = Buffer.concat(Array.from({ length: perTurn }, () => template))
  const turns = Math.ceil(bytes / turn.length)
  let position = 0
  const start = process.hrtime.bigint()
  for (let each = 0; each < turns; each++) position += fs.writeSync(fd, turn, 0, turn.length, position)
  const rate = perSecond(position, start)
  fs.closeSync(fd)
  fs.rmSync(path)
  return rate
}

function readAll(log: PartitionLog): number {
  let bytes = 0
  const start = process.hrtime.bigint()
  for (let fetchOffset = 0; fetchOffset < log.logEndOffset;) {
    const read = log.read({ fetchOffset, maxBytes: 1024 * 1024, endOffset: log.logEndOffset, minOneBatch: true })
    if (read === null) break
    bytes += read.bytes.length
    fetchOffset = read.nextOffset
    read.release()
  }
  return perSecond(bytes, start)
}

function rawRead(path: string): number {
  const fd = fs.openSync(path, 'r')
  const buffer = Buffer.alloc(1024 * 1024)
  let bytes = 0
  const start = process.hrtime.bigint()
  for (let count = 1; count > 0; bytes += count) count = fs.readSync(fd, buffer, 0, buffer.length, bytes)
  const rate = perSecond(bytes, start)
  fs.closeSync(fd)
  return rate
}

function perSecond(bytes: number, start: bigint): number {
  return (bytes * 1e9) / Number(process.hrtime.bigint() - start)
}
