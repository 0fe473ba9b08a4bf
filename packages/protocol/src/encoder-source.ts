import { textMethod } from './decoder-source.ts'
import { isCarried, isNullable, type Field, type Message, type Shape } from './schema.ts'
import { UnencodableMessage } from './unencodable-message.ts'
import type { Writer } from './writer.ts'

/** Straight-line JavaScript that encodes `message` at `version`. Names come from our rows only, never from a peer. */
export function generateEncoder<T>(message: Message<T>, version: number): (writer: Writer, value: T) => void {
  const isFlexible = version >= message.flexibleSince
  let scopes = 0 // makes every local name unique

  /** An expression: whether `value` is something else than the default of `field`. */
  const differs = (field: Field<unknown>, value: string): string => {
    if (field.fallback === null) return `${value} !== null`
    if (field.kind === 'array' || field.kind === 'bytes') return `(${value} === null || ${value}.length > 0)`
    if (field.fields === undefined) return `${value} !== ${JSON.stringify(field.fallback)}`
    const inner = Object.entries(field.fields).map(([name, each]) => differs(each, `${value}.${name}`))
    return `(${value} === null || ${inner.join(' || ')})`
  }

  const write = (field: Field<unknown>, value: string): string => {
    const isCompact = isFlexible && field.isCompactable
    const mayBeNull = isNullable(field, version)
    switch (field.kind) {
      case 'string':
      case 'bytes':
        return `w.${textMethod(field.kind, isCompact, mayBeNull)}(${value});`
      case 'array':
        return writeArray(field.item!, value, isCompact, mayBeNull)
      case 'struct':
        return mayBeNull
          ? `if (${value} === null) w.int8(-1); else { w.int8(1); ${writeStruct(field.fields!, value)} }`
          : writeStruct(field.fields!, value)
      default:
        return `w.${field.kind}(${value});`
    }
  }

  const writeArray = (item: Field<unknown>, value: string, isCompact: boolean, mayBeNull: boolean): string => {
    const scope = ++scopes
    const [items, index, each] = [`a${scope}`, `i${scope}`, `x${scope}`]
    const count = isCompact ? 'compactCount' : 'count'
    const writeItems = `w.${count}(${items}.length);
      for (let ${index} = 0; ${index} < ${items}.length; ${index}++) { const ${each} = ${items}[${index}]; ${write(item, each)} }`
    return `const ${items} = ${value}; ${mayBeNull ? `if (${items} === null) w.${count}(-1); else { ${writeItems} }` : writeItems}`
  }

  const writeStruct = (fields: Shape, value: string): string => {
    const scope = ++scopes
    const self = `s${scope}`
    const all = Object.entries(fields).map(([name, field]) => ({ name, field, member: `${self}.${name}` }))
    const carried = all.filter(({ field }) => isCarried(field, version))
    const lost = all.filter(({ field }) => !isCarried(field, version) && !field.isIgnorable)
    const positional = carried.filter(({ field }) => field.tagNumber < 0)
    const tagged = carried
      .filter(({ field }) => field.tagNumber >= 0)
      .sort((a, b) => a.field.tagNumber - b.field.tagNumber)
    const flags = tagged.map(({ field, member }) => `const d${scope}_${field.tagNumber} = ${differs(field, member)};`)
    const tags = tagged.map(({ field, member }) => {
      const begun = `b${++scopes}`
      const content = `const ${begun} = w.beginTag(${field.tagNumber}); ${write(field, member)} w.endTag(${begun});`
      return `if (d${scope}_${field.tagNumber}) { ${content} }`
    })
    const count = tagged.map(({ field }) => `(d${scope}_${field.tagNumber} ? 1 : 0)`).join(' + ') || '0'
    return `const ${self} = ${value};
      ${lost.map(({ field, member }) => `if (${differs(field, member)}) lost();`).join('\n')}
      ${positional.map(({ field, member }) => `{ ${write(field, member)} }`).join('\n')}
      ${isFlexible ? `${flags.join('\n')} w.uvarint(${count}); ${tags.join('\n')}` : ''}`
  }

  // The last line names the code in stack traces and profiles.
  const source = `return (w, m) => { ${write(message.body, 'm')} };
    //# sourceURL=codec/${message.name}.v${version}.encode.js`
  // oxlint-disable-next-line typescript/no-implied-eval -- see decoder-source.ts
  return new Function('lost', source)(refuseLoss) as (writer: Writer, value: T) => void
}

export function refuseLoss(): never {
  throw new UnencodableMessage('holds a value that this version cannot carry')
}
