import { assignReplicas, PlacementError, type PlacementBroker } from '@millrace/broker/core/controller/placement'
import { crc32, crc32c } from '@millrace/protocol/compression/crc32c'
import { coordinatorPartition, javaAbs, javaHash } from '@millrace/protocol/java-hash'
import { murmur2, partitionOfKey } from '@millrace/protocol/murmur2'
import type { Checker } from './checker.ts'
import { jsonDifference } from './json-difference.ts'

/** `hashes.jsonl`: results of functions that must equal Kafka's. */
export const checker: Checker = {
  format: 'hashes',

  recognizes(first) {
    return typeof first['type'] === 'string' && (first['type'] in kinds || notBuilt.has(first['type']))
  },

  check({ vectors }, report) {
    for (const { line, value } of vectors) {
      const type = String(value['type'])
      const check = kinds[type as keyof typeof kinds] as ((vector: never) => string | null) | undefined
      if (check === undefined && notBuilt.has(type)) {
        report.notBuilt(type)
        continue
      }
      try {
        const why = check === undefined ? 'there is no such type' : check(value as never)
        if (why === null) report.passed(type)
        else report.failed(type, { line, subject: '', why })
      } catch (error) {
        report.failed(type, { line, subject: '', why: String(error) })
      }
    }
  },
}

/** They come with the client (assignors) and with security (SCRAM). */
const notBuilt = new Set(['consumerAssignment', 'scram', 'saslName'])

const kinds = {
  murmur2(vector: {
    keyHex: string
    hash: number
    positive: number
    partition: Record<string, number>
  }): string | null {
    const key = Buffer.from(vector.keyHex, 'hex')
    const hash = murmur2(key)
    const partition = mapCounts(vector.partition, count => partitionOfKey(key, count))
    const expected = { hash: vector.hash, positive: vector.positive, partition: vector.partition }
    return jsonDifference(expected, { hash, positive: hash & 0x7fffffff, partition })
  },

  groupPartition(vector: {
    id: string
    hashCode: number
    abs: number
    partition: Record<string, number>
  }): string | null {
    const hashCode = javaHash(vector.id)
    const partition = mapCounts(vector.partition, count => coordinatorPartition(vector.id, count))
    const expected = { hashCode: vector.hashCode, abs: vector.abs, partition: vector.partition }
    return jsonDifference(expected, { hashCode, abs: javaAbs(hashCode), partition })
  },

  crc32c(vector: { hex: string; crc32c: number; crc32: number }): string | null {
    const bytes = Buffer.from(vector.hex, 'hex')
    const { crc32c: castagnoli, crc32: ethernet } = vector
    return jsonDifference({ crc32c: castagnoli, crc32: ethernet }, { crc32c: crc32c(bytes), crc32: crc32(bytes) })
  },

  replicaAssignment(vector: ReplicaAssignment): string | null {
    const { brokers, partitions, replicationFactor, fixedStartIndex, startPartitionId } = vector
    const random = (): never => {
      throw new Error('a fixed start needs no random number')
    }
    const outcome = { assignment: undefined as unknown, error: undefined as unknown }
    try {
      const request = { brokers, partitions, replicationFactor, fixedStartIndex, startPartitionId, random }
      outcome.assignment = Object.fromEntries(assignReplicas(request))
    } catch (error) {
      if (!(error instanceof PlacementError)) throw error
      outcome.error = { code: error.code, message: error.message }
    }
    const { assignment, error } = vector
    const expected = error && { code: codesOfExceptions[error.exception] ?? error.exception, message: error.message }
    return jsonDifference({ assignment, error: expected }, outcome)
  },
}

interface ReplicaAssignment {
  readonly brokers: readonly PlacementBroker[]
  readonly partitions: number
  readonly replicationFactor: number
  readonly fixedStartIndex: number
  readonly startPartitionId: number
  readonly assignment?: Readonly<Record<string, readonly number[]>>
  readonly error?: { readonly exception: string; readonly message: string }
}

const codesOfExceptions: Readonly<Record<string, string>> = {
  InvalidPartitionsException: 'INVALID_PARTITIONS',
  InvalidReplicationFactorException: 'INVALID_REPLICATION_FACTOR',
  AdminOperationException: 'UNKNOWN_SERVER_ERROR',
}

/** `{ "3": 1 }` for what `partitionOf(3)` answers. */
function mapCounts(
  expected: Readonly<Record<string, number>>,
  partitionOf: (count: number) => number,
): Record<string, number> {
  return Object.fromEntries(Object.keys(expected).map(count => [count, partitionOf(Number(count))]))
}
