import { leastSize } from './least-size.ts'
import type { Reader } from './reader.ts'
import { fallbackOf, isCarried, isNullable, NO_BYTES, type Field, type Message, type Shape } from './schema.ts'

/** An array that grows asks for room for 17 items with the first one; up to so many items there are it is made in its size. More may be a lie. */
const FEW_ITEMS = 16

/** Straight-line JavaScript that decodes `message` at `version`. Names come from our rows only, never from a peer. */
export function generateDecoder<T>(message: Message<T>, version: number): (reader: Reader) => T {
  const isFlexible = version >= message.flexibleSince
  let scopes = 0 // makes every local name unique

  /** An expression for the value of a field that this version does not carry. */
  const fallback = (field: Field<unknown>): string => {
    if (field.fallback === null) return 'null'
    if (field.kind === 'array') return '[]'
    if (field.fields !== undefined) {
      return `{ ${Object.entries(field.fields)
        .map(([name, inner]) => `${name}: ${fallback(inner)}`)
        .join()} }`
    }
    if (field.kind === 'bytes') return 'none'
    return JSON.stringify(fallbackOf(field))
  }

  /** Statements that read the next value into the variable `into`. */
  const read = (field: Field<unknown>, into: string): string => {
    const isCompact = isFlexible && field.isCompactable
    const mayBeNull = isNullable(field, version)
    switch (field.kind) {
      case 'string':
      case 'bytes':
        return `${into} = r.${textMethod(field.kind, isCompact, mayBeNull)}();`
      case 'array':
        return readArray(field.item!, into, isCompact, mayBeNull)
      case 'struct':
        return mayBeNull
          ? `if (r.int8() < 0) ${into} = null; else { ${readStruct(field.fields!, into)} }`
          : readStruct(field.fields!, into)
      default:
        return `${into} = r.${field.kind}();`
    }
  }

  const readArray = (item: Field<unknown>, into: string, isCompact: boolean, mayBeNull: boolean): string => {
    const scope = ++scopes
    const count = `n${scope}`
    const [items, index, value] = [`a${scope}`, `i${scope}`, `x${scope}`]
    return `const ${count} = r.${isCompact ? 'compactCount' : 'count'}(${leastSize(item, version, isFlexible)});
      if (${count} < 0) ${mayBeNull ? `${into} = null` : `r.fail('null in a field that cannot be null')`};
      else {
        const ${items} = ${count} <= ${FEW_ITEMS} ? new Array(${count}) : [];
        for (let ${index} = 0; ${index} < ${count}; ${index}++) { let ${value}; ${read(item, value)} ${items}[${index}] = ${value}; }
        ${into} = ${items};
      }`
  }

  const readStruct = (fields: Shape, into: string): string => {
    const scope = ++scopes
    const all = Object.entries(fields).map(([name, field]) => ({ name, field, local: `${name}_${scope}` }))
    const carried = all.filter(({ field }) => isCarried(field, version))
    const tagged = carried.filter(({ field }) => field.tagNumber >= 0)
    const positional = carried.filter(({ field }) => field.tagNumber < 0)
    const isRead = new Set(positional)
    const declarations = all.map(row =>
      isRead.has(row) ? `let ${row.local};` : `let ${row.local} = ${fallback(row.field)};`,
    )
    const cases = tagged.map(({ field, local }) => `case ${field.tagNumber}: { ${read(field, local)} break; }`)
    const [left, tag, end] = [`t${scope}`, `g${scope}`, `e${scope}`]
    const tags = `for (let ${left} = r.uvarint(); ${left} > 0; ${left}--) {
        const ${tag} = r.tag(), ${end} = r.tagEnd();
        switch (${tag}) { ${cases.join('\n')} default: r.position = ${end}; }
        r.atTagEnd(${end});
      }`
    return `${declarations.join(' ')}
      ${positional.map(({ field, local }) => `{ ${read(field, local)} }`).join('\n')}
      ${isFlexible ? tags : ''}
      ${into} = { ${all.map(({ name, local }) => `${name}: ${local}`).join()} };`
  }

  // The last line names the code in stack traces and profiles.
  const source = `return r => { let m; ${read(message.body, 'm')} return m; };
    //# sourceURL=codec/${message.name}.v${version}.decode.js`
  // oxlint-disable-next-line typescript/no-implied-eval -- three times as fast as closures; see bench/micro/codec.bench.ts
  return new Function('none', source)(NO_BYTES) as (reader: Reader) => T
}

/** Name of the method of Reader (to read) and of Writer (to write) for a string or bytes. */
export function textMethod(kind: 'string' | 'bytes', isCompact: boolean, mayBeNull: boolean): string {
  const name = `${isCompact ? 'compact' : ''}${mayBeNull ? 'Nullable' : ''}${kind === 'string' ? 'String' : 'Bytes'}`
  return `${name[0]!.toLowerCase()}${name.slice(1)}`
}
