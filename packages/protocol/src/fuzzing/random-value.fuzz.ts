import { fallbackOf, isCarried, isNullable, ZERO_UUID, type Field, type Message } from '../schema.ts'
import type { Chance } from './chance.fuzz.ts'

/** A complete value that `message` can carry at `version`; fields that the version lacks hold their defaults. */
export function randomValue<T>(message: Message<T>, version: number, chance: Chance): T {
  return valueOf(message.body, version, chance, 0) as T
}

function valueOf(field: Field<unknown>, version: number, chance: Chance, depth: number): unknown {
  if (isNullable(field, version) && chance.is(0.2)) return null
  switch (field.kind) {
    case 'bool':
      return chance.is(0.5)
    case 'int8':
      return wholeNumber(8, chance)
    case 'int16':
      return wholeNumber(16, chance)
    case 'uint16':
      return chance.below(65_536)
    case 'int32':
      return wholeNumber(32, chance)
    case 'int64':
    case 'nearestInt64':
      return wholeNumber(54, chance)
    case 'float64':
      return chance.of([0, 1, -1.5, 1e300, -5e-324, Infinity, chance.below(1000) / 7])
    case 'uuid':
      return chance.is(0.2) ? ZERO_UUID : chance.bytes(16).toString('base64url')
    case 'string':
      return text(chance)
    case 'bytes':
      return chance.bytes(chance.is(0.02) ? 4000 + chance.below(300) : chance.below(40))
    case 'array': {
      const count = chance.is(0.01) ? 130 : chance.below(depth > 2 ? 2 : 4)
      return Array.from({ length: count }, () => valueOf(field.item!, version, chance, depth + 1))
    }
    case 'struct':
      return Object.fromEntries(
        Object.entries(field.fields!).map(([name, inner]) => {
          const isDefault = !isCarried(inner, version) || (inner.tagNumber >= 0 && chance.is(0.4))
          return [name, isDefault ? fallbackOf(inner) : valueOf(inner, version, chance, depth + 1)]
        }),
      )
  }
}

/** Often near a bound or near zero: there the mistakes are. 54 bits: the safe integers. */
function wholeNumber(bits: number, chance: Chance): number {
  const half = 2 ** (bits - 1)
  const least = bits === 54 ? -half + 1 : -half
  if (chance.is(0.3))
    return chance.of([least, half - 1, 0, -1, 1, 127, -128].filter(each => each >= least && each < half))
  return Math.max(least, Math.floor((chance.below(2 ** 30) / 2 ** 30 - 0.5) * 2 * half))
}

const letters = ['a', 'Z', '0', '-', '.', 'é', '日', '😀', '\u0000']

function text(chance: Chance): string {
  const length = chance.is(0.01) ? 200 + chance.below(7000) : chance.below(60)
  const letter = chance.is(0.7) ? 'x' : chance.of(letters)
  return letter.repeat(length)
}
