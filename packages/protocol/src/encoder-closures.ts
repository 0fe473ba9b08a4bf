import { joinPath } from './decoder-closures.ts'
import { refuseLoss } from './encoder-source.ts'
import { isCarried, isNullable, type Field, type Message, type Shape } from './schema.ts'
import { UnencodableMessage } from './unencodable-message.ts'
import type { Writer } from './writer.ts'

type Write = (writer: Writer, value: unknown) => void
type Struct = Record<string, unknown>

/** Encodes as the generated code does, at a third of its speed, and says in its errors which field it was in. */
export function encoderOfClosures<T>(message: Message<T>, version: number): (writer: Writer, value: T) => void {
  return writerOf(message.body, version, version >= message.flexibleSince)
}

function writerOf(field: Field<unknown>, version: number, isFlexible: boolean): Write {
  const isCompact = isFlexible && field.isCompactable
  const mayBeNull = isNullable(field, version)
  switch (field.kind) {
    case 'bool':
      return (writer, value) => writer.bool(value as boolean)
    case 'int8':
      return (writer, value) => writer.int8(value as number)
    case 'int16':
      return (writer, value) => writer.int16(value as number)
    case 'uint16':
      return (writer, value) => writer.uint16(value as number)
    case 'int32':
      return (writer, value) => writer.int32(value as number)
    case 'int64':
      return (writer, value) => writer.int64(value as number)
    case 'nearestInt64':
      return (writer, value) => writer.nearestInt64(value as number)
    case 'float64':
      return (writer, value) => writer.float64(value as number)
    case 'uuid':
      return (writer, value) => writer.uuid(value as string)
    case 'string':
      if (isCompact && mayBeNull) return (writer, value) => writer.compactNullableString(value as string | null)
      if (isCompact) return (writer, value) => writer.compactString(value as string)
      if (mayBeNull) return (writer, value) => writer.nullableString(value as string | null)
      return (writer, value) => writer.string(value as string)
    case 'bytes':
      if (isCompact && mayBeNull) return (writer, value) => writer.compactNullableBytes(value as Buffer | null)
      if (isCompact) return (writer, value) => writer.compactBytes(value as Buffer)
      if (mayBeNull) return (writer, value) => writer.nullableBytes(value as Buffer | null)
      return (writer, value) => writer.bytes(value as Buffer)
    case 'array': {
      const writeItems = arrayWriter(writerOf(field.item!, version, isFlexible), isCompact)
      if (!mayBeNull) return writeItems
      return (writer, value) =>
        value !== null ? writeItems(writer, value) : isCompact ? writer.compactCount(-1) : writer.count(-1)
    }
    case 'struct': {
      const write = structWriter(field.fields!, version, isFlexible)
      if (!mayBeNull) return write
      return (writer, value) => {
        writer.int8(value === null ? -1 : 1)
        if (value !== null) write(writer, value)
      }
    }
  }
}

function arrayWriter(writeItem: Write, isCompact: boolean): Write {
  return (writer, value) => {
    const items = value as unknown[]
    if (isCompact) writer.compactCount(items.length)
    else writer.count(items.length)
    for (let index = 0; index < items.length; index++) {
      try {
        writeItem(writer, items[index])
      } catch (error) {
        throw inside(`[${index}]`, error, items[index])
      }
    }
  }
}

function structWriter(fields: Shape, version: number, isFlexible: boolean): Write {
  const all = Object.entries(fields).map(([name, field]) => ({ name, field }))
  const lost = all.filter(({ field }) => !isCarried(field, version) && !field.isIgnorable)
  const carried = all.filter(({ field }) => isCarried(field, version))
  const writable = carried.map(({ name, field }) => ({ name, field, write: writerOf(field, version, isFlexible) }))
  const positional = writable.filter(({ field }) => field.tagNumber < 0)
  const tagged = writable
    .filter(({ field }) => field.tagNumber >= 0)
    .sort((a, b) => a.field.tagNumber - b.field.tagNumber)
  return (writer, value) => {
    const struct = value as Struct
    for (const { name, field } of lost) writeField(name, refuseDifference(field), writer, struct[name])
    for (const { name, write } of positional) writeField(name, write, writer, struct[name])
    if (!isFlexible) return
    const sent = tagged.filter(({ name, field }) => differs(field, struct[name]))
    writer.uvarint(sent.length)
    for (const { name, field, write } of sent) {
      const begun = writer.beginTag(field.tagNumber)
      writeField(name, write, writer, struct[name])
      writer.endTag(begun)
    }
  }
}

const refuseDifference =
  (field: Field<unknown>): Write =>
  (_, value) => {
    if (differs(field, value)) refuseLoss()
  }

/** Whether `value` is something else than the default of `field`. */
function differs(field: Field<unknown>, value: unknown): boolean {
  if (field.fallback === null) return value !== null
  if (field.kind === 'array' || field.kind === 'bytes')
    return value === null || (value as { length: number }).length > 0
  if (field.fields === undefined) return value !== field.fallback
  return value === null || Object.entries(field.fields).some(([name, inner]) => differs(inner, (value as Struct)[name]))
}

function writeField(name: string, write: Write, writer: Writer, value: unknown): void {
  try {
    write(writer, value)
  } catch (error) {
    throw inside(name, error, value)
  }
}

/** The same error one level up. */
function inside(step: string, error: unknown, value: unknown): unknown {
  if (error instanceof UnencodableMessage)
    return new UnencodableMessage(error.reason, { field: joinPath(step, error.field) })
  // Generated code and closures trip over null and missing values in the same places.
  if (error instanceof TypeError) {
    const what = value === null || value === undefined ? `${value} in a field that cannot be ${value}` : error.message
    return new UnencodableMessage(what, { field: step })
  }
  return error
}
