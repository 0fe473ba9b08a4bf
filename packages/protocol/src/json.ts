import { emptyOf, fallbackOf, isCarried, type Field, type Message, type Shape } from './schema.ts'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/**
 * The value that Kafka's JSON form of a message stands for: fields that are absent have their defaults, `bytes` are base64.
 * Throws TypeError, with the path, on a field that `version` does not have, on a missing one, and on a value of another kind.
 */
export function fromJson<T>(message: Message<T>, version: number, json: Json): T {
  return parse(message.body, version, json, message.name) as T
}

/** Kafka's JSON form of a value: without the fields that `version` lacks, and without tagged ones that hold their default. */
export function toJson<T>(message: Message<T>, version: number, value: T): Json {
  return print(message.body, version, value)
}

function parse(field: Field<unknown>, version: number, json: Json, path: string): unknown {
  if (json === null) return null
  switch (field.kind) {
    case 'struct':
      return parseStruct(field.fields!, version, json, path)
    case 'array':
      if (!Array.isArray(json)) throw new TypeError(`${path} should be an array`)
      return json.map((item, index) => parse(field.item!, version, item, `${path}[${index}]`))
    case 'bool':
      return expectType('boolean', json, path)
    case 'string':
    case 'uuid':
      return expectType('string', json, path)
    case 'bytes':
      return Buffer.from(expectType('string', json, path) as string, 'base64')
    case 'float64':
      // JSON has no NaN and no infinities: Kafka prints them as text.
      return typeof json === 'string' ? Number(json) : expectType('number', json, path)
    default:
      return expectType('number', json, path)
  }
}

function parseStruct(fields: Shape, version: number, json: Json, path: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new TypeError(`${path} should be an object`)
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    const member = json[name]
    if (member !== undefined && !isCarried(field, version))
      throw new TypeError(`${path}.${name} is not in version ${version}`)
    if (member === undefined && isCarried(field, version) && field.tagNumber < 0)
      throw new TypeError(`${path}.${name} is missing`)
    value[name] = member === undefined ? fallbackOf(field) : parse(field, version, member, `${path}.${name}`)
  }
  const unknown = Object.keys(json).find(name => !(name in fields))
  if (unknown !== undefined) throw new TypeError(`${path}.${unknown} is not a field`)
  return value
}

function expectType(type: 'boolean' | 'string' | 'number', json: Json, path: string): Json {
  if (typeof json !== type) throw new TypeError(`${path} should be a ${type}, not ${JSON.stringify(json)}`)
  return json
}

function print(field: Field<unknown>, version: number, value: unknown): Json {
  if (value === null) return null
  if (field.kind === 'array') return (value as unknown[]).map(item => print(field.item!, version, item))
  if (field.kind === 'bytes') return (value as Buffer).toString('base64')
  if (field.kind === 'float64' && !Number.isFinite(value)) return String(value as number)
  if (field.fields === undefined) return value as Json
  const json: { [name: string]: Json } = {}
  for (const [name, inner] of Object.entries(field.fields)) {
    if (!isCarried(inner, version)) continue
    const member = print(inner, version, (value as Record<string, unknown>)[name])
    if (inner.tagNumber >= 0 && isDefault(inner, version, member)) continue
    json[name] = member
  }
  return json
}

function isDefault(field: Field<unknown>, version: number, printed: Json): boolean {
  return JSON.stringify(printed) === JSON.stringify(print(field, version, fallbackOf(field)))
}

/** A complete value from some of its fields; the others get their defaults. For tests and tools. */
export function completed<T>(message: Message<T>, some: Partial<T>): T {
  return { ...emptyOf(message), ...some }
}
