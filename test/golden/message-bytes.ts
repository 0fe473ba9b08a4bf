import { compileDecoder } from '@millrace/protocol/decoder'
import { compileEncoder } from '@millrace/protocol/encoder'
import { codec, type Codec } from '@millrace/protocol/codec'
import { fromJson, toJson, type Json } from '@millrace/protocol/json'
import { MalformedMessage } from '@millrace/protocol/malformed-message'
import { Reader } from '@millrace/protocol/reader'
import { Writer } from '@millrace/protocol/writer'
import { jsonDifference } from './json-difference.ts'
import type { Message } from '@millrace/protocol/schema'

/** Up to this many bytes every truncation is tried, beyond it this many of them. */
const TRUNCATIONS = 100

/**
 * Whether `bytes` are `json` at `version`, both ways, with generated code and with closures: null, or what is wrong.
 * `json` that lists some records by size only (`recordsSizeInBytes`) is compared as such.
 */
export function messageMismatch(message: Message<unknown>, version: number, json: Json, bytes: Buffer): string | null {
  const sized = namesSizes(json)
  const ways: [string, Codec<unknown>][] = [
    ['', codec(message, version)],
    ['closures: ', closures(message, version)],
  ]
  for (const [way, { decode, encode }] of ways) {
    const reader = new Reader(bytes)
    const decoded = decode(reader)
    if (reader.remaining > 0) return `${way}${reader.remaining} bytes left over`
    const printed = toJson(message, version, decoded)
    const difference = sized
      ? jsonDifference(json, withSizes(printed))
      : jsonDifference(fromJson(message, version, json), decoded)
    if (difference !== null) return `${way}${difference}`
    const reprinted = jsonDifference(decoded, fromJson(message, version, printed))
    if (reprinted !== null) return `${way}printed as JSON ${reprinted}`
    if (!sized) {
      const encoded = encodedMismatch(encode, fromJson(message, version, json), bytes)
      if (encoded !== null) return `${way}encoding json ${encoded}`
    }
    const again = encodedMismatch(encode, decoded, bytes)
    if (again !== null) return `${way}encoding what was decoded ${again}`
    const cut = truncationMismatch(decode, bytes)
    if (cut !== null) return `${way}${cut}`
  }
  return null
}

function encodedMismatch(encode: Codec<unknown>['encode'], value: unknown, bytes: Buffer): string | null {
  const writer = new Writer()
  encode(writer, value)
  const { size } = writer
  const encoded = Buffer.concat(writer.finishParts())
  if (size !== encoded.length) return `says it wrote ${size} bytes, it wrote ${encoded.length}`
  if (encoded.equals(bytes)) return null
  const at = encoded.findIndex((byte, index) => byte !== bytes[index])
  return `gives other bytes from byte ${at < 0 ? bytes.length : at} on: ${encoded.toString('hex').slice(0, 400)}`
}

/** No beginning of a message is a message. */
function truncationMismatch(decode: Codec<unknown>['decode'], bytes: Buffer): string | null {
  const step = Math.max(1, bytes.length / TRUNCATIONS)
  for (let cut = 0; cut < bytes.length; cut += step) {
    const size = Math.floor(cut)
    try {
      decode(new Reader(bytes, 0, size))
      return `its first ${size} bytes decode`
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      if (error.messageName === '' || error.version < 0 || error.offset > size)
        return `truncated to ${size} bytes: ${error.message}`
    }
  }
  return null
}

const compiled = new Map<Message<unknown>, Codec<unknown>[]>()

function closures(message: Message<unknown>, version: number): Codec<unknown> {
  const versions = compiled.get(message) ?? []
  compiled.set(message, versions)
  return (versions[version] ??= {
    decode: compileDecoder(message, version, false),
    encode: compileEncoder(message, version, false),
  })
}

function namesSizes(json: Json): boolean {
  if (Array.isArray(json)) return json.some(namesSizes)
  if (typeof json !== 'object' || json === null) return false
  return 'recordsSizeInBytes' in json || Object.values(json).some(namesSizes)
}

/** As Kafka prints messages in its request log: records by their size. */
function withSizes(json: Json): Json {
  if (Array.isArray(json)) return json.map(withSizes)
  if (typeof json !== 'object' || json === null) return json
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      if (name === 'records' && typeof value === 'string')
        return ['recordsSizeInBytes', Buffer.from(value, 'base64').length]
      return [name, withSizes(value)]
    }),
  )
}
