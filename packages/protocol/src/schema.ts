/**
 * The rows that messages are written in. A message is a name, a version range and a tree of fields; static types, decoders,
 * encoders, JSON and the fuzzer all come from the rows. Field order is wire order.
 */
export interface Message<T> {
  readonly name: string
  /** NO_API: a header, a record of an internal topic, consumer metadata. */
  readonly apiKey: number
  readonly versions: VersionRange
  /** First version with compact lengths and tagged fields (KIP-482); Infinity: none. */
  readonly flexibleSince: number
  readonly body: Field<T>
}

/** The value that a message, or a field, holds in memory: `type MetadataRequest = Infer<typeof metadataRequest>`. */
export type Infer<M> = M extends Message<infer T> ? T : M extends Field<infer T> ? T : never

/** Both ends belong to it. */
export type VersionRange = readonly [first: number, last: number]

export type Scalar = keyof typeof zeros
export type Kind = Scalar | 'array' | 'struct'
export type Shape = Readonly<Record<string, Field<unknown>>>

// Not exported, so the compiler prints the plain object type in hovers and .d.ts files.
type Value<S extends Shape> = { -readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never }

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** Shared by every field that holds no bytes; it has no byte that anyone could change. */
export const NO_BYTES: Buffer = Buffer.alloc(0)

const zeros = {
  bool: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  int64: 0,
  nearestInt64: 0,
  float64: 0,
  uuid: ZERO_UUID,
  string: '',
  bytes: NO_BYTES,
}

interface FieldFacts<T> {
  readonly kind: Kind
  readonly versions: VersionRange
  readonly fallback: T
  readonly nullableVersions?: VersionRange
  readonly tagNumber?: number
  readonly isIgnorable?: boolean
  readonly isCompactable?: boolean
  readonly item?: Field<unknown> | undefined
  readonly fields?: Shape | undefined
}

/** One field: `T` is its value in memory, the rest says how and in which versions the wire carries it. Immutable. */
export class Field<T> {
  readonly kind: Kind
  /** Versions that carry the field. In others it decodes to its default. */
  readonly versions: VersionRange
  /** Its default if that is a scalar or null. Arrays start empty and structs with the defaults of their fields: see `fallbackOf`. */
  readonly fallback: T
  readonly nullableVersions: VersionRange
  /** -1: positional. */
  readonly tagNumber: number
  /** Whether a version that lacks the field drops a value that is not the default, rather than refusing to encode. */
  readonly isIgnorable: boolean
  /** False: keeps the long length prefix in flexible versions. Only the client id of the request header does. */
  readonly isCompactable: boolean
  /** What an array holds. */
  readonly item: Field<unknown> | undefined
  /** What a struct holds. */
  readonly fields: Shape | undefined

  constructor(facts: FieldFacts<T>) {
    this.kind = facts.kind
    this.versions = facts.versions
    this.fallback = facts.fallback
    this.nullableVersions = facts.nullableVersions ?? never
    this.tagNumber = facts.tagNumber ?? -1
    this.isIgnorable = facts.isIgnorable ?? false
    this.isCompactable = facts.isCompactable ?? true
    this.item = facts.item
    this.fields = facts.fields
  }

  /** May be null in `versions`: by default in all that carry it. Its default stays what it was. */
  nullable(versions?: string): Field<T | null> {
    const nullableVersions = versions === undefined ? this.versions : versionRange(versions)
    return new Field<T | null>({ ...this.#facts(), nullableVersions })
  }

  /** May be null in all versions that carry it, and is null in those that lack it. */
  nullByDefault(): Field<T | null> {
    return new Field<T | null>({ ...this.#facts(), nullableVersions: this.versions, fallback: null })
  }

  /** The value in versions that lack the field, and of a tagged field that was not sent. */
  default(fallback: T): Field<T> {
    return new Field({ ...this.#facts(), fallback })
  }

  ignorable(): Field<T> {
    return new Field({ ...this.#facts(), isIgnorable: true })
  }

  /** Sent as a tagged field, and only if it differs from its default (KIP-482). */
  tag(tagNumber: number): Field<T> {
    return new Field({ ...this.#facts(), tagNumber })
  }

  neverCompact(): Field<T> {
    return new Field({ ...this.#facts(), isCompactable: false })
  }

  #facts(): FieldFacts<T> {
    const { kind, versions, fallback, nullableVersions, tagNumber, isIgnorable, isCompactable, item, fields } = this
    return { kind, versions, fallback, nullableVersions, tagNumber, isIgnorable, isCompactable, item, fields }
  }
}

const scalar =
  <T>(kind: Scalar) =>
  (versions = '0+'): Field<T> =>
    new Field({ kind, versions: versionRange(versions), fallback: zeros[kind] as T })

export const bool = scalar<boolean>('bool')
export const int8 = scalar<number>('int8')
export const int16 = scalar<number>('int16')
export const uint16 = scalar<number>('uint16')
export const int32 = scalar<number>('int32')
/** A number: decoding refuses what is beyond 2^53. */
export const int64 = scalar<number>('int64')
/** For timestamps of records, which may be any int64: beyond 2^53 the nearest number, in the right order. */
export const nearestInt64 = scalar<number>('nearestInt64')
export const float64 = scalar<number>('float64')
/** 22 characters of URL-safe base64. */
export const uuid = scalar<string>('uuid')
export const string = scalar<string>('string')
/** Also record batches. Decodes to a view of the frame. */
export const bytes = scalar<Buffer>('bytes')

/** Of scalars, `array('0+', int32())`, or of structs, `array('0+', { name: string('0+') })`. */
export function array<T>(versions: string, item: Field<T>): Field<T[]>
export function array<S extends Shape>(versions: string, item: S): Field<Value<S>[]>
export function array(versions: string, item: Field<unknown> | Shape): Field<unknown[]> {
  const field = item instanceof Field ? item : struct('0+', item)
  return new Field<unknown[]>({ kind: 'array', versions: versionRange(versions), fallback: [], item: field })
}

export function struct<S extends Shape>(versions: string, fields: S): Field<Value<S>> {
  return new Field({ kind: 'struct', versions: versionRange(versions), fallback: {} as Value<S>, fields })
}

/** For `message`: neither a request nor a response. */
export const NO_API = -1

/** `versions` are those that exist, `flexible` those with compact lengths and tagged fields (KIP-482). */
export function message<S extends Shape>(
  name: string,
  apiKey: number,
  versions: string,
  flexible: string,
  fields: S,
): Message<Value<S>> {
  const flexibleSince = versionRange(flexible)[0]
  return { name, apiKey, versions: versionRange(versions), flexibleSince, body: struct('0+', fields) }
}

/** A fresh, complete value that holds nothing but defaults. */
export function emptyOf<T>(message: Message<T>): T {
  return fallbackOf(message.body) as T
}

/** A fresh value of what `field` holds in a version that lacks it. */
export function fallbackOf(field: Field<unknown>): unknown {
  if (field.fallback === null) return null
  if (field.kind === 'array') return []
  if (field.fields === undefined) return field.fallback
  return Object.fromEntries(Object.entries(field.fields).map(([name, inner]) => [name, fallbackOf(inner)]))
}

export function isCarried(field: Field<unknown>, version: number): boolean {
  return version >= field.versions[0] && version <= field.versions[1]
}

export function isNullable(field: Field<unknown>, version: number): boolean {
  return version >= field.nullableVersions[0] && version <= field.nullableVersions[1]
}

/** Throws RangeError for a version that the message does not have. */
export function checkVersion(message: Message<never>, version: number): void {
  const [first, last] = message.versions
  if (!Number.isInteger(version) || version < first || version > last) {
    throw new RangeError(`${message.name} has versions ${first} to ${last}, not ${version}`)
  }
}

const never: VersionRange = [Infinity, -1]

/** '3' → [3, 3], '3-5' → [3, 5], '3+' → [3, ∞], 'none' → [∞, -1]. Throws TypeError on anything else. */
export function versionRange(text: string): VersionRange {
  if (text === 'none') return never
  const match = /^(\d+)(?:-(\d+)|(\+))?$/.exec(text)
  if (match === null) throw new TypeError(`Bad version range '${text}'`)
  return [Number(match[1]), match[3] === undefined ? Number(match[2] ?? match[1]) : Infinity]
}
