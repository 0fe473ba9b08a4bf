import { leastSize } from './least-size.ts'
import { MalformedMessage } from './malformed-message.ts'
import type { Reader } from './reader.ts'
import { fallbackOf, isCarried, isNullable, type Field, type Message, type Shape } from './schema.ts'

type Read = (reader: Reader) => unknown

/** Decodes as the generated code does, at a third of its speed, and says in its errors which field it was in. */
export function decoderOfClosures<T>(message: Message<T>, version: number): (reader: Reader) => T {
  return readerOf(message.body, version, version >= message.flexibleSince) as (reader: Reader) => T
}

function readerOf(field: Field<unknown>, version: number, isFlexible: boolean): Read {
  const isCompact = isFlexible && field.isCompactable
  const mayBeNull = isNullable(field, version)
  switch (field.kind) {
    case 'bool':
      return reader => reader.bool()
    case 'int8':
      return reader => reader.int8()
    case 'int16':
      return reader => reader.int16()
    case 'uint16':
      return reader => reader.uint16()
    case 'int32':
      return reader => reader.int32()
    case 'int64':
      return reader => reader.int64()
    case 'nearestInt64':
      return reader => reader.nearestInt64()
    case 'float64':
      return reader => reader.float64()
    case 'uuid':
      return reader => reader.uuid()
    case 'string':
      if (isCompact) return mayBeNull ? reader => reader.compactNullableString() : reader => reader.compactString()
      return mayBeNull ? reader => reader.nullableString() : reader => reader.string()
    case 'bytes':
      if (isCompact) return mayBeNull ? reader => reader.compactNullableBytes() : reader => reader.compactBytes()
      return mayBeNull ? reader => reader.nullableBytes() : reader => reader.bytes()
    case 'array':
      return arrayReader(field.item!, { version, isFlexible, isCompact, mayBeNull })
    case 'struct': {
      const read = structReader(field.fields!, version, isFlexible)
      return mayBeNull ? reader => (reader.int8() < 0 ? null : read(reader)) : read
    }
  }
}

interface ArrayForm {
  readonly version: number
  readonly isFlexible: boolean
  readonly isCompact: boolean
  readonly mayBeNull: boolean
}

function arrayReader(item: Field<unknown>, { version, isFlexible, isCompact, mayBeNull }: ArrayForm): Read {
  const readItem = readerOf(item, version, isFlexible)
  const itemSize = leastSize(item, version, isFlexible)
  return reader => {
    const count = isCompact ? reader.compactCount(itemSize) : reader.count(itemSize)
    if (count < 0) return mayBeNull ? null : reader.fail('null in a field that cannot be null')
    const items: unknown[] = []
    for (let index = 0; index < count; index++) {
      try {
        items.push(readItem(reader))
      } catch (error) {
        throw inside(`[${index}]`, error)
      }
    }
    return items
  }
}

function structReader(fields: Shape, version: number, isFlexible: boolean): Read {
  const all = Object.entries(fields).map(([name, field]) => ({ name, field }))
  const carried = all.filter(({ field }) => isCarried(field, version))
  const readable = carried.map(({ name, field }) => ({ name, field, read: readerOf(field, version, isFlexible) }))
  const positional = readable.filter(({ field }) => field.tagNumber < 0)
  const tagged = new Map(readable.filter(({ field }) => field.tagNumber >= 0).map(row => [row.field.tagNumber, row]))
  return reader => {
    const value: Record<string, unknown> = {}
    for (const { name, field } of all) value[name] = fallbackOf(field)
    for (const { name, read } of positional) value[name] = readField(name, read, reader)
    if (!isFlexible) return value
    for (let left = reader.uvarint(); left > 0; left--) {
      const row = tagged.get(reader.tag())
      const end = reader.tagEnd()
      if (row === undefined) reader.position = end
      else value[row.name] = readField(row.name, row.read, reader)
      reader.atTagEnd(end)
    }
    return value
  }
}

function readField(name: string, read: Read, reader: Reader): unknown {
  try {
    return read(reader)
  } catch (error) {
    throw inside(name, error)
  }
}

/** The same error one level up. */
function inside(step: string, error: unknown): unknown {
  if (error instanceof MalformedMessage) error.field = joinPath(step, error.field)
  return error
}

/** `topics` and `[3].name` make `topics[3].name`. */
export function joinPath(step: string, rest: string): string {
  return rest === '' || rest.startsWith('[') ? `${step}${rest}` : `${step}.${rest}`
}
