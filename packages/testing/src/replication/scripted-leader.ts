import { codec } from '@millrace/protocol/codec'
import { framed } from '@millrace/protocol/frame'
import { encodeResponseHeader } from '@millrace/protocol/header'
import {
  fetchRequest,
  fetchResponse,
  type FetchRequest,
  type FetchResponse,
  type PartitionData,
} from '@millrace/protocol/messages/01-fetch'
import {
  listOffsetsRequest,
  listOffsetsResponse,
  type ListOffsetsRequest,
} from '@millrace/protocol/messages/02-list-offsets'
import { Reader } from '@millrace/protocol/reader'
import { emptyOf, type Message } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import type { Frame, FrameConnection } from '@millrace/runtime/ports'
import type { VirtualNetwork } from '../world/virtual-network.ts'

interface Asked {
  readonly apiKey: number
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly connection: FrameConnection
  readonly body: Reader
}

/** A row of a Fetch answer: what is left out is what an empty log says. */
export type Row = Partial<PartitionData> & { readonly topic?: string; readonly topicId?: string }

/** Plays a leader to a follower: the test sees every request and says every answer. */
export class ScriptedLeader {
  readonly host = 'leader'
  readonly port = 9092
  /** Connections that were made, those that ended included. */
  connectionCount = 0
  private readonly network: VirtualNetwork
  private readonly asked: Asked[] = []
  private readonly connections = new Set<FrameConnection>()
  private stopListening: () => Promise<void> = () => Promise.resolve()

  constructor(network: VirtualNetwork) {
    this.network = network
  }

  async start(): Promise<void> {
    const listener = await this.network.listen({
      ...{ host: this.host, port: this.port, maxFrameBytes: 100_000_000 },
      accept: connection => {
        this.connectionCount++
        this.connections.add(connection)
        return {
          onFrame: frame => this.onFrame(connection, frame),
          onClosed: () => this.connections.delete(connection),
        }
      },
    })
    this.stopListening = () => listener.close()
  }

  /** As a killed process: nobody listens, connections end. */
  async stop(): Promise<void> {
    await this.stopListening()
    for (const connection of this.connections) connection.destroy()
    this.asked.length = 0
  }

  /** Requests without an answer. */
  get waitingCount(): number {
    return this.asked.length
  }

  /** The fetch that waits; throws when there is none. */
  fetch(): FetchRequest & { readonly version: number; readonly clientId: string | null } {
    const { version, clientId, body } = this.first(1)
    const value = codec(fetchRequest, version).decode(new Reader(body.buffer, body.position, body.end))
    return { ...value, version, clientId }
  }

  /** `topic-partition@offset`, as the fetch that waits asks. */
  fetched(): string[] {
    return this.fetch().topics.flatMap(({ topicId, topic, partitions }) =>
      partitions.map(
        ({ partition, fetchOffset }) => `${topic === '' ? topicId.slice(0, 1) : topic}-${partition}@${fetchOffset}`,
      ),
    )
  }

  listOffsets(): ListOffsetsRequest {
    const { version, body } = this.first(2)
    return codec(listOffsetsRequest, version).decode(new Reader(body.buffer, body.position, body.end))
  }

  answer(rows: readonly Row[], head: Partial<FetchResponse> = {}): void {
    const responses = rows.map(({ topic = '', topicId = '', ...row }) => ({
      ...{ topic, topicId },
      partitions: [{ ...emptyRow, ...row }],
    }))
    this.send(this.take(1), fetchResponse, { ...emptyOf(fetchResponse), sessionId: 77, responses, ...head })
  }

  answerOffset(offset: number, errorCode = 0): void {
    const { topics } = this.listOffsets()
    this.send(this.take(2), listOffsetsResponse, {
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          ...{ partitionIndex, errorCode, oldStyleOffsets: [], timestamp: -1, offset, leaderEpoch: -1 },
        })),
      })),
    })
  }

  private onFrame(connection: FrameConnection, frame: Frame): void {
    const copy = Buffer.from(frame.buffer.subarray(frame.start, frame.end))
    const body = new Reader(copy)
    const [apiKey, version, correlationId] = [body.int16(), body.int16(), body.int32()]
    const clientId = body.nullableString()
    const isFlexible = version >= (apiKey === 1 ? fetchRequest : listOffsetsRequest).flexibleSince
    // The only header that a broker sends has no tagged fields.
    if (isFlexible && body.uvarint() !== 0) throw new Error('tagged fields in a header')
    this.asked.push({ apiKey, version, correlationId, clientId, connection, body })
  }

  private first(apiKey: number): Asked {
    // What a connection asked that ended is asked no more.
    while (this.asked[0]?.connection.isClosed === true) this.asked.shift()
    const [first] = this.asked
    if (first?.apiKey !== apiKey) throw new Error(`waiting for API ${apiKey}, not for ${first?.apiKey}`)
    return first
  }

  private take(apiKey: number): Asked {
    const first = this.first(apiKey)
    this.asked.shift()
    return first
  }

  private send<R>({ connection, apiKey, version, correlationId }: Asked, message: Message<R>, value: R): void {
    const writer = new Writer()
    encodeResponseHeader(writer, { apiKey, apiVersion: version }, correlationId)
    codec(message, version).encode(writer, value)
    connection.send(framed(writer.finishParts()))
  }
}

const emptyRow: PartitionData = {
  partitionIndex: 0,
  errorCode: 0,
  highWatermark: 0,
  lastStableOffset: 0,
  logStartOffset: 0,
  divergingEpoch: { epoch: -1, endOffset: -1 },
  currentLeader: { leaderId: -1, leaderEpoch: -1 },
  snapshotId: { endOffset: -1, epoch: -1 },
  abortedTransactions: null,
  preferredReadReplica: -1,
  records: Buffer.alloc(0),
}
