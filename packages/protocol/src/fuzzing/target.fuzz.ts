import { isDeepStrictEqual } from 'node:util'
import { ZERO_UUID } from '../schema.ts'
import type { Chance } from './chance.fuzz.ts'

/** Something that reads bytes of strangers. */
export interface Target {
  readonly name: string
  /** One attempt; throws on whatever must not happen. */
  attempt(chance: Chance): void
}

/** Runs `read`; answers undefined when it refused the bytes as it should. Any other exception is a find. */
export function refusedOr<T>(
  expected: readonly (abstract new (...args: never[]) => Error)[],
  read: () => T,
): T | undefined {
  try {
    return read()
  } catch (error) {
    if (expected.some(type => error instanceof type)) return undefined
    throw error
  }
}

export function mustEqual(actual: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(actual, expected)) throw new Error(`${what}: ${show(actual)} should be ${show(expected)}`)
}

/**
 * Items, characters and bytes in a decoded value. Each takes at least one byte on the wire (22 characters of a uuid: 16), so a value
 * holds at most twice as many as its frame has bytes: else something was allocated on the strength of an unchecked length.
 */
export function footprint(value: unknown): number {
  if (value === ZERO_UUID) return 0 // shared
  if (typeof value === 'string') return value.length
  if (value instanceof Uint8Array) return value.length
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + footprint(item), value.length)
  if (typeof value !== 'object' || value === null) return 0
  return Object.values(value).reduce((sum: number, member) => sum + footprint(member), 0)
}

function show(value: unknown): string {
  const text =
    JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each)) ?? String(value)
  return text.slice(0, 500)
}
