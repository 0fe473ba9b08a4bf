import { describe, expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { formatProperties, parseProperties } from './properties.ts'

const read = (text: string): Record<string, string> => Object.fromEntries(parseProperties(text))

// What java.util.Properties.load makes of the same text.
test.each([
  ['one pair', 'a=b', { a: 'b' }],
  ['colon', 'a:b', { a: 'b' }],
  ['white space between', 'a b c', { a: 'b c' }],
  ['white space around the separator', '  a \t = \f b', { a: 'b' }],
  ['white space at the end stays', 'a=b  ', { a: 'b  ' }],
  ['only the first separator counts', 'a==b:c', { a: '=b:c' }],
  ['a space, then a separator', 'a :=b', { a: '=b' }],
  ['no value', 'a\nb=\nc:', { a: '', b: '', c: '' }],
  ['no key', '=a', { '': 'a' }],
  ['comments', '#a=b\n  ! c=d\ne=f # not a comment', { e: 'f # not a comment' }],
  ['comments do not continue', '# a \\\nb=c', { b: 'c' }],
  ['continued', 'a=b,\\\n   c,\\\r\n\td', { a: 'b,c,d' }],
  ['continued into what looks like a comment', 'a=b\\\n#c', { a: 'b#c' }],
  ['continued into nothing', 'a=b\\\n\nc=d', { a: 'b', c: 'd' }],
  ['an even number of backslashes ends the line', 'a=b\\\\\nc=d', { a: 'b\\', c: 'd' }],
  ['three backslashes continue it', 'a=b\\\\\\\nc=d', { a: 'b\\c=d' }],
  ['ends in a backslash', 'a=b\\', { a: 'b' }],
  ['escaped separators in the key', 'a\\=b\\:c\\ d=e', { 'a=b:c d': 'e' }],
  ['escapes', 'a=\\t\\n\\r\\f\\u0041\\u20ac\\q\\\\', { a: '\t\n\r\fA€q\\' }],
  ['a key twice: the last', 'a=1\nb=2\na=3', { a: '3', b: '2' }],
  ['every line end', 'a=1\rb=2\r\nc=3\nd=4', { a: '1', b: '2', c: '3', d: '4' }],
  ['nothing', '', {}],
])('properties: %s', (_, text, expected) => {
  expect(read(text)).toEqual(expected)
})

test('properties: half a unicode escape: refused', () => {
  expect(() => parseProperties('a=\\u12g4')).toThrow(RangeError)
})

test('properties: UTF-8, and ISO-8859-1 where it is not UTF-8', () => {
  expect(parseProperties(Buffer.from('a=Zürich')).get('a')).toBe('Zürich')
  expect(parseProperties(Buffer.from('a=Zürich', 'latin1')).get('a')).toBe('Zürich')
})

describe('properties written', () => {
  test('as Kafka wrote meta.properties', () => {
    const properties = new Map([
      ['broker.id', '0'],
      ['version', '0'],
      ['cluster.id', 'c8k9TfwSSsCMmYZPkjjxTA'],
    ])
    const wallMs = Date.UTC(2026, 10, 22, 2, 48, 46)
    expect(formatProperties(properties, { comment: '', wallMs })).toBe(
      '#\n#Sun Nov 22 02:48:46 UTC 2026\nbroker.id=0\nversion=0\ncluster.id=c8k9TfwSSsCMmYZPkjjxTA\n',
    )
  })

  test.each([0, 951_782_399_999, 951_782_400_000, 951_868_800_000, 4_107_542_400_000, 1_735_689_599_999])(
    'date line: %d as Date has it',
    wallMs => {
      const [, day, date, month, year, time] = /(\w+), (\d+) (\w+) (\d+) ([\d:]+)/.exec(
        new Date(wallMs).toUTCString(),
      ) ?? ['']
      const [, line] = formatProperties(new Map(), { comment: '', wallMs }).split('\n')
      expect(line).toBe(`#${day} ${month} ${date} ${time} UTC ${year}`)
    },
  )

  test('random texts: read back as they were (seed 7)', () => {
    const random = new SeededRandom(7)
    const alphabet = ' \t\n\r\f\\=:#!aZ0.,é€\u0001😀'
    const text = (): string =>
      Array.from({ length: random.below(8) }, () => alphabet[random.below(alphabet.length)]).join('')
    for (let round = 0; round < 2000; round++) {
      const properties = new Map(Array.from({ length: 4 }, () => [text(), text()]))
      expect(parseProperties(formatProperties(properties, { comment: 'x', wallMs: 0 }))).toEqual(properties)
    }
  })
})
