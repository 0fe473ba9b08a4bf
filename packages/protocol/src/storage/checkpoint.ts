import { MalformedFile } from './malformed-file.ts'

/** A line of the offset checkpoints that lie in each log directory. */
export interface OffsetCheckpointEntry {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** A line of `leader-epoch-checkpoint`. */
export interface LeaderEpochCheckpointEntry {
  readonly epoch: number
  readonly startOffset: number
}

/** `0`, the count, then `topic partition offset` per line (reference 4.1). */
export function encodeOffsetCheckpoint(entries: readonly OffsetCheckpointEntry[]): Buffer {
  return encode(entries.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`))
}

/** An empty file holds no entries. Throws MalformedFile for anything but whole lines in the one known version. */
export function decodeOffsetCheckpoint(bytes: Uint8Array): OffsetCheckpointEntry[] {
  return decode(bytes, 'offset checkpoint', /^(\S+) (\d+) (-?\d+)$/, ([, topic, partition, offset]) => ({
    topic: topic!,
    partition: Number(partition),
    offset: Number(offset),
  }))
}

/** `0`, the count, then `epoch startOffset` per line, ascending (reference 3.11). */
export function encodeLeaderEpochCheckpoint(entries: readonly LeaderEpochCheckpointEntry[]): Buffer {
  return encode(entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))
}

/** As `decodeOffsetCheckpoint`. */
export function decodeLeaderEpochCheckpoint(bytes: Uint8Array): LeaderEpochCheckpointEntry[] {
  return decode(bytes, 'leader epoch checkpoint', /^(\d+) (\d+)$/, ([, epoch, startOffset]) => ({
    epoch: Number(epoch),
    startOffset: Number(startOffset),
  }))
}

function encode(lines: readonly string[]): Buffer {
  return Buffer.from(['0', String(lines.length), ...lines, ''].join('\n'))
}

function decode<T>(bytes: Uint8Array, kind: string, line: RegExp, entry: (match: RegExpExecArray) => T): T[] {
  if (bytes.length === 0) return []
  const [version, count, ...lines] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString('utf8')
    .split('\n')
  if (version !== '0') throw new MalformedFile(kind, `version ${version}`)
  if (lines.at(-1) === '') lines.pop()
  if (count !== String(lines.length)) throw new MalformedFile(kind, `${lines.length} lines, announced ${count}`)
  return lines.map(text => {
    const match = line.exec(text)
    if (match === null) throw new MalformedFile(kind, `line ${JSON.stringify(text)}`)
    return entry(match)
  })
}
