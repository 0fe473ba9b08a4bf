/** A znode holds what its reader cannot understand: somebody else's data, or a version from the future. */
export class MalformedZnode extends Error {
  override readonly name = 'MalformedZnode'
  readonly path: string
  constructor(path: string, why: string, cause?: unknown) {
    super(`znode ${path}: ${why}`, { cause })
    this.path = path
  }
}

/** One kind of znode: where it stands and what its data means. `encode` writes byte for byte what Kafka 3.9 writes. */
export interface Znode<Arguments extends readonly (string | number)[], Value> {
  path(...where: Arguments): string
  encode(value: Value): Buffer
  /** Unknown keys are ignored. Throws MalformedZnode, which names `path`. */
  decode(data: Uint8Array, path: string): Value
}

/** A znode whose data is JSON with a version. `read` gets the parsed object. */
export function jsonZnode<Arguments extends readonly (string | number)[], Value>(row: {
  path(...where: Arguments): string
  /** The object as Kafka writes it, keys in Kafka's order. */
  write(value: Value): Json
  read(json: JsonObject): Value
}): Znode<Arguments, Value> {
  return {
    path: (...where) => row.path(...where),
    encode: value => Buffer.from(writeJson(row.write(value))),
    decode: (data, path) => row.read(new JsonObject(parse(data, path), path)),
  }
}

/** A znode whose data is plain text. `read` answers undefined when the text makes no sense. */
export function textZnode<Arguments extends readonly (string | number)[], Value>(row: {
  path(...where: Arguments): string
  write(value: Value): string
  read(text: string): Value | undefined
}): Znode<Arguments, Value> {
  return {
    path: (...where) => row.path(...where),
    encode: value => Buffer.from(row.write(value)),
    decode: (data, path) => {
      const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString()
      const value = row.read(text)
      if (value === undefined) throw new MalformedZnode(path, `unexpected content ${JSON.stringify(text.slice(0, 80))}`)
      return value
    },
  }
}

/** Maps stand for objects whose keys are data: they keep their order, number-like keys too, and cannot reach a prototype. */
export type Json =
  null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json> | { readonly [key: string]: Json }

/** Compact, as Kafka writes it. A key whose value is undefined is left out. */
export function writeJson(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`
  const entries =
    value instanceof Map
      ? [...(value as ReadonlyMap<string, Json>)]
      : Object.entries(value as { readonly [key: string]: Json })
  const members = entries.filter(([, member]) => member !== undefined)
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${writeJson(member)}`).join(',')}}`
}

function parse(data: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString())
  } catch (error) {
    throw new MalformedZnode(path, data.length === 0 ? 'no data' : 'not JSON', error)
  }
}

/** A parsed JSON object that checks what is taken out of it, and names the znode when that is not what it should be. */
export class JsonObject {
  readonly #members: Readonly<Record<string, unknown>>
  readonly #path: string

  constructor(value: unknown, path: string, where = 'data') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new MalformedZnode(path, `${where} is not a JSON object`)
    }
    this.#members = value as Record<string, unknown>
    this.#path = path
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#members, key)
  }

  fail(why: string): never {
    throw new MalformedZnode(this.#path, why)
  }

  #take(key: string): unknown {
    return this.has(key) ? this.#members[key] : undefined
  }

  /** A safe integer, as a number or (`block_start` and the like) as text. */
  integer(key: string, otherwise?: number): number {
    const value = this.#take(key)
    if (value === undefined && otherwise !== undefined) return otherwise
    const number = typeof value === 'string' && /^[+-]?\d+$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) this.fail(`${key} is not an integer`)
    return number
  }

  text(key: string, otherwise?: string): string {
    const value = this.#take(key)
    if (value === undefined && otherwise !== undefined) return otherwise
    if (typeof value === 'number') return String(value)
    if (typeof value !== 'string') this.fail(`${key} is not a string`)
    return value
  }

  /** Null where the key is missing or its value is null. */
  textOrNull(key: string): string | null {
    const value = this.#take(key)
    return value === undefined || value === null ? null : this.text(key)
  }

  object(key: string): JsonObject {
    return new JsonObject(this.#take(key), this.#path, key)
  }

  integers(key: string): number[] {
    return this.#array(key).map(item => {
      if (typeof item !== 'number' || !Number.isSafeInteger(item))
        this.fail(`${key} holds something other than integers`)
      return item
    })
  }

  texts(key: string): string[] {
    return this.#array(key).map(item => {
      if (typeof item !== 'string') this.fail(`${key} holds something other than strings`)
      return item
    })
  }

  objects(key: string): JsonObject[] {
    return this.#array(key).map(item => new JsonObject(item, this.#path, `an element of ${key}`))
  }

  #array(key: string): unknown[] {
    const value = this.#take(key)
    if (!Array.isArray(value)) this.fail(`${key} is not an array`)
    return value
  }

  /** Keys in the order of the text (number-like ones first, as JavaScript keeps them). */
  keys(): string[] {
    return Object.keys(this.#members)
  }
}
