import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '@millrace/protocol/internal/consumer-metadata'
import { consumerProtocolAssignment, consumerProtocolSubscription } from '@millrace/protocol/internal/consumer-protocol'
import { decodeCooperativeStickyUserData, decodeStickyUserData } from '@millrace/protocol/internal/sticky-user-data'
import { decodeVersioned, encodeVersioned, versionOf } from '@millrace/protocol/internal/versioned'
import { fromJson, type Json } from '@millrace/protocol/json'
import type { Checker } from './checker.ts'
import { jsonDifference } from './json-difference.ts'
import { messageMismatch } from './message-bytes.ts'
import { allMessages } from '@millrace/protocol/fuzzing/all-messages.fuzz'
import type { Message } from '@millrace/protocol/schema'

/** `internal-records.jsonl`: records of __consumer_offsets and __transaction_state, and what consumers tell each other. */
export const checker: Checker = {
  format: 'internal-records',

  recognizes(first) {
    return typeof first['type'] === 'string' && 'valueHex' in first && 'keyHex' in first
  },

  async check({ vectors }, report) {
    const rows = await allMessages()
    for (const { line, value } of vectors) {
      const record = value as unknown as InternalRecord
      const subject = `v${record.version}${record.note === undefined ? '' : `, ${record.note}`}`
      try {
        const why = mismatch(record, rows)
        if (why === null) report.passed(record.type)
        else report.failed(record.type, { line, subject, why })
      } catch (error) {
        report.failed(record.type, { line, subject, why: String(error) })
      }
    }
  },
}

interface InternalRecord {
  readonly type: string
  readonly keyVersion?: number | null
  readonly version: number | null
  readonly keyHex: string | null
  readonly valueHex: string | null
  readonly json: Json
  readonly note?: string
  readonly input?: Input
}

interface Input {
  readonly topics: readonly string[]
  readonly userData: string | null
  readonly ownedPartitions: readonly (readonly [string, number])[]
  readonly partitions: readonly (readonly [string, number])[]
  readonly generationId: number
  readonly rackId: string | null
}

function mismatch(record: InternalRecord, rows: ReadonlyMap<string, Message<unknown>>): string | null {
  switch (record.type) {
    case 'ConsumerProtocolSubscription':
    case 'ConsumerProtocolAssignment':
      return consumerProtocolMismatch(record)
    case 'StickyAssignorUserData':
    case 'CooperativeStickyAssignorUserData':
      return userDataMismatch(record, rows)
    default:
      return recordMismatch(record, rows)
  }
}

/** Key and value of one record; a null value is a tombstone. */
function recordMismatch(record: InternalRecord, rows: ReadonlyMap<string, Message<unknown>>): string | null {
  const key = rows.get(`${record.type}Key`)
  const value = rows.get(`${record.type}Value`)
  if (key === undefined || value === undefined) return 'there is no such record'
  const json = record.json as { readonly key: Json; readonly value: Json }
  const keyMismatch = versionedMismatch(key, record.keyVersion, json.key, record.keyHex)
  if (keyMismatch !== null) return `key: ${keyMismatch}`
  const valueMismatch = versionedMismatch(value, record.version, json.value, record.valueHex)
  return valueMismatch === null ? null : `value: ${valueMismatch}`
}

function versionedMismatch(
  message: Message<unknown>,
  version: number | null | undefined,
  json: Json,
  hex: string | null,
): string | null {
  if (hex === null) return json === null ? null : 'json without bytes'
  const bytes = Buffer.from(hex, 'hex')
  if (version === null || version === undefined || versionOf(bytes) !== version)
    return `the bytes say version ${versionOf(bytes)}`
  const { value } = decodeVersioned(message, bytes)
  const difference = jsonDifference(fromJson(message, version, json), value)
  if (difference !== null) return difference
  const encoded = encodeVersioned(message, version, value)
  if (!encoded.equals(bytes)) return `encodes to ${encoded.toString('hex')}`
  return messageMismatch(message, version, json, bytes.subarray(2))
}

function consumerProtocolMismatch({ type, version, valueHex, json, input }: InternalRecord): string | null {
  const isSubscription = type === 'ConsumerProtocolSubscription'
  const message: Message<unknown> = isSubscription ? consumerProtocolSubscription : consumerProtocolAssignment
  if (valueHex === null || version === null) return 'no bytes'
  const bytes = Buffer.from(valueHex, 'hex')
  const decoded = isSubscription ? decodeSubscription(bytes) : decodeAssignment(bytes)
  const known = Math.min(version, message.versions[1])
  const difference = jsonDifference(fromJson(message, known, json), decoded)
  if (difference !== null) return difference
  if (version > message.versions[1]) return null // a version of the future can only be read
  const why = versionedMismatch(message, version, json, valueHex)
  if (why !== null || input === undefined) return why
  const encoded = isSubscription ? subscriptionOf(version, input) : assignmentOf(version, input)
  return encoded.equals(bytes) ? null : `its input encodes to ${encoded.toString('hex')}`
}

function subscriptionOf(version: number, { topics, userData, ownedPartitions, generationId, rackId }: Input): Buffer {
  const owned = ownedPartitions.map(([topic, partition]) => ({ topic, partition }))
  return encodeSubscription(version, {
    topics,
    userData: hexBytes(userData),
    ownedPartitions: owned,
    generationId,
    rackId,
  })
}

function assignmentOf(version: number, { partitions, userData }: Input): Buffer {
  return encodeAssignment(
    version,
    partitions.map(([topic, partition]) => ({ topic, partition })),
    hexBytes(userData),
  )
}

/** No version comes first; null before the first assignment. */
function userDataMismatch(record: InternalRecord, rows: ReadonlyMap<string, Message<unknown>>): string | null {
  const { type, version, valueHex, json } = record
  if (valueHex === null) return json === null ? null : 'json without bytes'
  const message = rows.get(type)
  if (message === undefined || version === null) return 'there is no such user data'
  const bytes = Buffer.from(valueHex, 'hex')
  const decoded =
    type === 'StickyAssignorUserData' ? decodeStickyUserData(bytes) : decodeCooperativeStickyUserData(bytes)
  return jsonDifference(fromJson(message, version, json), decoded) ?? messageMismatch(message, version, json, bytes)
}

function hexBytes(hex: string | null): Buffer | null {
  return hex === null ? null : Buffer.from(hex, 'hex')
}
