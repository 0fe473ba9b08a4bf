import { MalformedFile } from './malformed-file.ts'

/** The file that ties a partition folder to a topic's id (KIP-516). No newline at its end, as Kafka writes it. */
export function encodePartitionMetadata(topicId: string): Buffer {
  return Buffer.from(`version: 0\ntopic_id: ${topicId}`)
}

/** The topic id. Throws MalformedFile for another version or an id that is none. */
export function decodePartitionMetadata(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  const match = /^version: 0\r?\ntopic_id: ([A-Za-z0-9_-]{22})\s*$/.exec(text)
  if (match === null) throw new MalformedFile('partition.metadata', JSON.stringify(text.slice(0, 100)))
  return match[1]!
}
