import { codec } from '../codec.ts'
import { compileDecoder } from '../decoder.ts'
import { frameSize } from '../frame.ts'
import { decodeRequestHeader } from '../header.ts'
import { decodeAssignment, decodeSubscription } from '../internal/consumer-metadata.ts'
import { decodeCooperativeStickyUserData, decodeStickyUserData } from '../internal/sticky-user-data.ts'
import { decodeVersioned, encodeVersioned } from '../internal/versioned.ts'
import { fromJson, toJson } from '../json.ts'
import { MalformedMessage } from '../malformed-message.ts'
import { Reader } from '../reader.ts'
import type { Message } from '../schema.ts'
import { UnencodableMessage } from '../unencodable-message.ts'
import { Writer } from '../writer.ts'
import { allMessages } from './all-messages.fuzz.ts'
import type { Chance } from './chance.fuzz.ts'
import { mutate } from './mutate.fuzz.ts'
import { randomValue } from './random-value.fuzz.ts'
import { footprint, mustEqual, refusedOr, type Target } from './target.fuzz.ts'

export async function messageTargets(): Promise<Target[]> {
  const rows = [...(await allMessages()).values()]
  const versioned = rows.filter(row => /(Key|Value)$/.test(row.name))
  return [
    { name: 'messages', attempt: chance => attemptMessage(chance.of(rows), chance) },
    { name: 'internal records', attempt: chance => attemptVersioned(chance.of(versioned), chance) },
    { name: 'headers', attempt: attemptHeader },
    { name: 'consumer metadata', attempt: chance => attemptConsumerMetadata(rows, chance) },
    { name: 'frames', attempt: attemptFrame },
  ]
}

function attemptMessage(message: Message<unknown>, chance: Chance): void {
  const [first, last] = message.versions
  const version = first + chance.below(last - first + 1)
  const subject = `${message.name} v${version}`
  const value = randomValue(message, version, chance)
  const bytes = encoded(message, version, value)
  const reader = new Reader(bytes)
  const decoded = codec(message, version).decode(reader)
  mustEqual(reader.remaining, 0, `${subject}: bytes left over`)
  mustEqual(decoded, value, subject)
  mustEqual(encoded(message, version, decoded), bytes, `${subject}: encoded again`)
  mustEqual(fromJson(message, version, toJson(message, version, value)), value, `${subject}: as JSON`)
  for (let left = 4; left > 0; left--) attemptMutant(message, version, mutate(bytes, chance))
}

function attemptMutant(message: Message<unknown>, version: number, bytes: Buffer): void {
  const subject = `${message.name} v${version} from ${bytes.toString('hex')}`
  const generated = outcomeOf(bytes, codec(message, version).decode)
  const closures = outcomeOf(bytes, closuresOf(message, version))
  mustEqual(closures, generated, `${subject}: closures differ from generated code`)
  if (!('value' in generated)) return
  const { value } = generated
  const size = footprint(value)
  if (size > 2 * bytes.length) throw new Error(`${subject}: ${size} items from ${bytes.length} bytes`)
  // Text that was no UTF-8 may have grown beyond what a string can hold: then, and only then, it does not encode.
  const again = refusedOr([UnencodableMessage], () => encoded(message, version, value))
  if (again === undefined && size < 0x7fff / 3) throw new Error(`${subject}: does not encode again`)
  if (again !== undefined)
    mustEqual(codec(message, version).decode(new Reader(again)), value, `${subject}: decoded again`)
}

type Outcome = { readonly value: unknown } | { readonly refused: Readonly<Record<string, unknown>> }

/** The value, or everything that the refusal says. The bytes lie between others, which nobody may read. */
function outcomeOf(bytes: Buffer, decode: (reader: Reader) => unknown): Outcome {
  const around = Buffer.concat([surroundings, bytes, surroundings])
  const end = surroundings.length + bytes.length
  const reader = new Reader(around, surroundings.length, end)
  try {
    const value = decode(reader)
    if (reader.position > end)
      throw new Error(`read ${reader.position - end} bytes beyond the end of ${bytes.toString('hex')}`)
    return { value }
  } catch (error) {
    if (!(error instanceof MalformedMessage) || error.messageName === '') throw error
    const { message, reason, messageName, version, field, offset } = error
    if (offset < surroundings.length || offset > end)
      throw new Error(`blames byte ${offset} of ${bytes.toString('hex')}`, { cause: error })
    return { refused: { message, reason, messageName, version, field, offset } }
  }
}

/** Sound as lengths, counts and tags, so that who reads them goes on. */
const surroundings = Buffer.alloc(64, 1)

const closures = new Map<Message<unknown>, ((reader: Reader) => unknown)[]>()

function closuresOf(message: Message<unknown>, version: number): (reader: Reader) => unknown {
  const versions = closures.get(message) ?? []
  closures.set(message, versions)
  return (versions[version] ??= compileDecoder(message, version, false))
}

function attemptVersioned(message: Message<unknown>, chance: Chance): void {
  const [first, last] = message.versions
  const version = first + chance.below(last - first + 1)
  const value = randomValue(message, version, chance)
  const bytes = encodeVersioned(message, version, value)
  mustEqual(decodeVersioned(message, bytes), { version, value }, `${message.name} v${version}`)
  for (let left = 4; left > 0; left--) {
    refusedOr([MalformedMessage], () => decodeVersioned(message, mutate(bytes, chance)))
  }
}

function attemptHeader(chance: Chance): void {
  const bytes = chance.bytes(chance.below(40))
  if (bytes.length > 4 && chance.is(0.9)) {
    bytes.writeInt16BE(chance.below(70), 0)
    bytes.writeInt16BE(chance.below(20) - 2, 2)
  }
  const header = refusedOr([MalformedMessage], () => decodeRequestHeader(new Reader(bytes)))
  if (header !== undefined && footprint(header) > bytes.length) throw new Error(`header from ${bytes.toString('hex')}`)
}

function attemptConsumerMetadata(rows: readonly Message<unknown>[], chance: Chance): void {
  const row = chance.of(rows.filter(each => each.name.startsWith('ConsumerProtocol')))
  const [first, last] = row.versions
  const version = first + chance.below(last - first + 1)
  const bytes = mutate(encodeVersioned(row, version, randomValue(row, version, chance)), chance)
  refusedOr([MalformedMessage], () => decodeSubscription(bytes))
  refusedOr([MalformedMessage], () => decodeAssignment(bytes))
  refusedOr([MalformedMessage], () => decodeStickyUserData(bytes))
  refusedOr([MalformedMessage], () => decodeCooperativeStickyUserData(bytes))
}

function attemptFrame(chance: Chance): void {
  const size = refusedOr([MalformedMessage], () => frameSize(chance.bytes(chance.below(9)), 0, 1000))
  if (size !== undefined && (size < 0 || size > 1000)) throw new Error(`frame of ${size} bytes`)
}

function encoded(message: Message<unknown>, version: number, value: unknown): Buffer {
  const writer = new Writer()
  codec(message, version).encode(writer, value)
  return writer.finish()
}
