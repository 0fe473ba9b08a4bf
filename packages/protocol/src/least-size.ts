import { isCarried, isNullable, type Field } from './schema.ts'

const sizes = { bool: 1, int8: 1, int16: 2, uint16: 2, int32: 4, int64: 8, nearestInt64: 8, float64: 8, uuid: 16 }

/** Bytes that the smallest value of `field` takes at `version`: what bounds the count of an array before anything is allocated. */
export function leastSize(field: Field<unknown>, version: number, isFlexible: boolean): number {
  const isCompact = isFlexible && field.isCompactable
  switch (field.kind) {
    case 'string':
      return isCompact ? 1 : 2
    case 'bytes':
    case 'array':
      return isCompact ? 1 : 4
    case 'struct': {
      if (isNullable(field, version)) return 1
      const positional = Object.values(field.fields!).filter(inner => isCarried(inner, version) && inner.tagNumber < 0)
      const size = positional.reduce((sum, inner) => sum + leastSize(inner, version, isFlexible), isFlexible ? 1 : 0)
      // An item without bytes would let any count pass. No message has one.
      return Math.max(1, size)
    }
    default:
      return sizes[field.kind]
  }
}
