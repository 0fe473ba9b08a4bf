import { LoneBroker, type LoneTopic, type Outcome } from '@millrace/testing/data-path/lone-broker'
import { codec } from '@millrace/protocol/codec'
import { decodeResponseHeader, encodeRequestHeader } from '@millrace/protocol/header'
import { produceRequest, produceResponse, type ProduceResponse } from '@millrace/protocol/messages/00-produce'
import { batchSizeAt, codecAt, RecordBatch } from '@millrace/protocol/records/record-batch'
import { Reader } from '@millrace/protocol/reader'
import { Writer } from '@millrace/protocol/writer'
import type { Checker } from './checker.ts'

/**
 * `bad-batches.jsonl`: one Produce request each, and what Kafka answered. The same request goes through dispatch to a log on
 * disk; response bytes and stored bytes must be Kafka's. Where Kafka's answer is an accident (UNKNOWN_SERVER_ERROR, none at
 * all), CORRUPT_MESSAGE or INVALID_RECORD is right. Old message sets and transactions are not built.
 */
export const checker: Checker = {
  format: 'bad-batches',

  recognizes: first => typeof first['hexRecords'] !== 'undefined' && typeof first['acks'] === 'number',

  async check({ vectors }, report) {
    // Kafka was broker 0 of a cluster of two.
    const broker = await LoneBroker.open({ 'broker.id': '0' })
    try {
      for (const { line, value } of vectors) {
        const vector = value as unknown as BadBatch
        const type = `Produce v${vector.version}`
        if (!isBuilt(vector)) {
          report.notBuilt(vector.version < 3 ? type : 'transactional')
          continue
        }
        const why = await difference(broker, vector)
        if (why === null) report.passed(type)
        else report.failed(type, { line, subject: vector.name, why })
      }
    } finally {
      await broker.close()
    }
  },
}

interface Send {
  readonly version: number
  readonly acks: number
  readonly transactionalId: string | null
  readonly hexRecords: string | null
  readonly answer: KafkaAnswer
}

interface KafkaAnswer {
  readonly answered?: boolean
  readonly errorCode?: number
  readonly errorMessage?: string | null
  readonly logAppendTimeMs?: number
  readonly recordErrors?: readonly { readonly message: string | null }[]
  readonly responseHex?: string
  readonly connectionClosed?: boolean
}

interface BadBatch extends Send {
  readonly name: string
  readonly topic: string
  readonly partition: number
  readonly topicConfig: Readonly<Record<string, string>>
  readonly storedHex?: string | null
  readonly before?: readonly Send[]
}

const UNKNOWN_SERVER_ERROR = -1
const CORRUPT_MESSAGE = 2
const INVALID_RECORD = 87

/** Transactional batches need a coordinator. `transactional-without-id` does not: nobody may write as nobody. */
function isBuilt({ version, transactionalId, name }: BadBatch): boolean {
  return version >= 3 && (transactionalId === null || name === 'id-without-transactional-batch')
}

async function difference(broker: LoneBroker, vector: BadBatch): Promise<string | null> {
  await prepare(broker, vector)
  for (const earlier of vector.before ?? []) await send(broker, vector, { ...vector, ...earlier })
  const outcome = await send(broker, vector, vector)
  return answerDifference(outcome, vector) ?? storedDifference(broker, vector)
}

/** Every case has a topic of its own; what is special about it is in its name. */
async function prepare(broker: LoneBroker, vector: BadBatch): Promise<void> {
  const { name, topic, topicConfig } = vector
  const absent = ['unknown-topic', 'topic-name']
  if (absent.some(start => name.startsWith(start))) return
  const special = await situation(broker, vector)
  // A few cases share a topic that was hard to get into its state.
  if (!broker.metadata.hasTopic(topic)) await broker.createTopic(topic, { config: topicConfig, ...special })
}

async function situation(broker: LoneBroker, { name, version, answer, storedHex }: BadBatch): Promise<LoneTopic> {
  if (name === 'leader-down') return { partitions: [[9]] }
  if (name === 'not-leader-follower') {
    await broker.setLive(1)
    return { partitions: [[1, 0]] }
  }
  if (name.startsWith('not-leader')) {
    const { leaderId, leaderEpoch, port } = namedLeader(answer, version)
    await broker.setLive(leaderId, port)
    return { partitions: [[leaderId]], leaderEpoch }
  }
  if (name.startsWith('not-enough-replicas')) {
    // The other replica left, and that raised the leader epoch; the stored batches say to what.
    const isStored = storedHex !== undefined && storedHex !== null && storedHex !== ''
    const leaderEpoch = isStored ? new RecordBatch(Buffer.from(storedHex, 'hex')).partitionLeaderEpoch : 0
    return { partitions: [[0, 1]], inSyncReplicas: [0], leaderEpoch }
  }
  return {}
}

/** Whom Kafka's answer names as the leader; before v10 it names nobody. */
function namedLeader(answer: KafkaAnswer, version: number): { leaderId: number; leaderEpoch: number; port: number } {
  const unnamed = { leaderId: 1, leaderEpoch: 0, port: 9093 }
  if (version < 10 || answer.responseHex === undefined) return unnamed
  const { responses, nodeEndpoints } = decode(Buffer.from(answer.responseHex, 'hex'), version)
  const leader = responses[0]?.partitionResponses[0]?.currentLeader
  const port = nodeEndpoints[0]?.port
  return leader === undefined || port === undefined ? unnamed : { ...leader, port }
}

function send(broker: LoneBroker, { topic, partition }: BadBatch, { answer, ...request }: Send): Promise<Outcome> {
  broker.wallMs = clockOf(answer)
  const { version, acks, transactionalId, hexRecords } = request
  const records = hexRecords === null ? null : Buffer.from(hexRecords, 'hex')
  const correlationId = answer.responseHex === undefined ? 1 : Buffer.from(answer.responseHex, 'hex').readInt32BE(0)
  const writer = new Writer()
  encodeRequestHeader(writer, { apiKey: 0, apiVersion: version, correlationId, clientId: 'golden' })
  codec(produceRequest, version).encode(writer, {
    transactionalId,
    acks,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  })
  return broker.sendFrame(writer.finish())
}

/** What time it was for Kafka, where its answer tells. */
function clockOf({ logAppendTimeMs, recordErrors }: KafkaAnswer): number | null {
  if (logAppendTimeMs !== undefined && logAppendTimeMs >= 0) return logAppendTimeMs
  const range = /within \[(-?\d+), (-?\d+)\]/.exec(recordErrors?.[0]?.message ?? '')
  if (range === null) return null
  const hourMs = 3_600_000
  const [earliest, latest] = [BigInt(range[1] ?? 0), BigInt(range[2] ?? 0)]
  // The bound that is not an hour away lies 292 million years off.
  return earliest > 0n ? Number(earliest) + hourMs : Number(latest) - hourMs
}

function answerDifference(outcome: Outcome, { version, acks, answer }: BadBatch): string | null {
  if (answer.connectionClosed === true)
    return outcome.kind === 'closed' ? null : `closes the connection, not ${outcome.kind}`
  if (acks === 0) return outcome.kind === 'none' ? null : `answers nothing, not ${outcome.kind}`
  if (outcome.kind !== 'frame') return `is answered, not ${outcome.kind}`
  if (answer.answered === false || answer.errorCode === UNKNOWN_SERVER_ERROR) {
    const errorCode = errorCodeOf(outcome.frame, version)
    const isFit = errorCode === CORRUPT_MESSAGE || errorCode === INVALID_RECORD
    return isFit ? null : `CORRUPT_MESSAGE or INVALID_RECORD, not ${errorCode}`
  }
  const hex = outcome.frame.toString('hex')
  return hex === answer.responseHex ? null : `answers\n    ${answer.responseHex}, not\n    ${hex}`
}

function errorCodeOf(frame: Buffer, apiVersion: number): number | undefined {
  return decode(frame, apiVersion).responses[0]?.partitionResponses[0]?.errorCode
}

function decode(frame: Buffer, apiVersion: number): ProduceResponse {
  const reader = new Reader(frame)
  decodeResponseHeader(reader, { apiKey: 0, apiVersion })
  return codec(produceResponse, apiVersion).decode(reader)
}

function storedDifference(broker: LoneBroker, { topic, partition, storedHex, topicConfig }: BadBatch): string | null {
  if (storedHex === undefined || storedHex === null) return null
  const log = broker.logs.get(topic, partition)
  if (log === undefined) return 'has a log'
  const stored = readAll(log)
  const expected = Buffer.from(storedHex, 'hex')
  if (stored.equals(expected)) return null
  const isRecompressed =
    topicConfig['compression.type'] !== undefined && expected.length > 0 && codecAt(expected, 0) !== 0
  // Two compressors never agree on bytes: the header but for length and checksum must, and what is inside.
  if (isRecompressed && facts(stored) === facts(expected)) return null
  return `stores\n    ${storedHex}, not\n    ${stored.toString('hex')}`
}

interface ReadableLog {
  readonly logStartOffset: number
  readonly logEndOffset: number
  read(options: { fetchOffset: number; maxBytes: number; endOffset: number; minOneBatch: boolean }): {
    readonly bytes: Buffer
    readonly nextOffset: number
    release(): void
  } | null
}

function readAll(log: ReadableLog): Buffer {
  const parts: Buffer[] = []
  let fetchOffset = log.logStartOffset
  while (fetchOffset < log.logEndOffset) {
    const read = log.read({ fetchOffset, maxBytes: 1 << 20, endOffset: log.logEndOffset, minOneBatch: true })
    if (read === null) break
    parts.push(Buffer.from(read.bytes))
    fetchOffset = read.nextOffset
    read.release()
  }
  return Buffer.concat(parts)
}

function facts(bytes: Buffer): string {
  const batches: unknown[] = []
  for (let position = 0; position < bytes.length; position += batchSizeAt(bytes, position)) {
    const { baseOffset, lastOffset, attributes, baseTimestamp, maxTimestamp, recordCount, isCrcValid } =
      new RecordBatch(bytes, position)
    batches.push({ baseOffset, lastOffset, attributes, baseTimestamp, maxTimestamp, recordCount, isCrcValid })
  }
  return JSON.stringify(batches)
}
