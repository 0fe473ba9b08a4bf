import type { Connection } from '@millrace/client/connection/connection'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  listOffsetsRequest,
  listOffsetsResponse,
  type ListOffsetsRequest,
} from '@millrace/protocol/messages/02-list-offsets'

/** Whose log to ask for. */
export interface AskedPartition {
  readonly topic: string
  readonly partition: number
  readonly currentLeaderEpoch: number
}

/** What a replica sees: the end of the log, or its start. */
export const LeaderOffset = { end: -1, start: -2 } as const
export type LeaderOffset = (typeof LeaderOffset)[keyof typeof LeaderOffset]

export interface LeaderOffsetAnswer<Asked extends AskedPartition> {
  readonly partition: Asked
  readonly errorCode: ErrorCode
  readonly offset: number
}

/** Of `inter.broker.protocol.version` 3.9: brokers do not negotiate with their leaders. */
const version = 9

/** Where the leader's logs end, or begin. Throws what the connection throws. */
export async function askLeaderOffsets<Asked extends AskedPartition>(
  connection: Connection,
  replicaId: number,
  partitions: readonly Asked[],
  which: LeaderOffset,
): Promise<LeaderOffsetAnswer<Asked>[]> {
  const answers = await ask(connection, replicaId, partitions, which)
  return partitions.map(partition => {
    const answer = answers.get(keyOf(partition.topic, partition.partition))
    const errorCode = (answer?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR) as ErrorCode
    return { partition, errorCode, offset: answer?.offset ?? -1 }
  })
}

async function ask(
  connection: Connection,
  replicaId: number,
  partitions: readonly AskedPartition[],
  timestamp: number,
): Promise<Map<string, { errorCode: number; offset: number }>> {
  const topics = new Map<string, ListOffsetsRequest['topics'][number]>()
  for (const { topic: name, partition: partitionIndex, currentLeaderEpoch } of partitions) {
    let row = topics.get(name)
    if (row === undefined) topics.set(name, (row = { name, partitions: [] }))
    row.partitions.push({ partitionIndex, currentLeaderEpoch, timestamp, maxNumOffsets: 1 })
  }
  const value = { replicaId, isolationLevel: 0, topics: [...topics.values()] }
  const answer = await connection.request(listOffsetsRequest, listOffsetsResponse, value, { version })
  return new Map(
    answer.topics.flatMap(({ name, partitions: rows }) =>
      rows.map(
        ({ partitionIndex, errorCode, offset }) => [keyOf(name, partitionIndex), { errorCode, offset }] as const,
      ),
    ),
  )
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}
