import { expect, test } from '@jest/globals'
import { array, bool, bytes, emptyOf, int32, message, NO_API, string, struct, uuid, versionRange } from './schema.ts'

test.each([
  ['3', [3, 3]],
  ['3-5', [3, 5]],
  ['3+', [3, Infinity]],
  ['none', [Infinity, -1]],
])('versionRange: %s', (text, range) => {
  expect(versionRange(text)).toEqual(range)
})

test.each(['', '-', '3-', '+3', 'all', '3.0'])("versionRange: '%s': TypeError", text => {
  expect(() => versionRange(text)).toThrow(TypeError)
})

const row = message('Row', NO_API, '0-3', '2+', {
  name: string('0+'),
  rack: string('1+').nullByDefault(),
  isOpen: bool('1+').default(true),
  id: uuid('2+'),
  place: struct('0+', { x: int32('0+').default(-1) }),
  items: array('0+', { data: bytes('0+') }),
  parent: struct('3+', { x: int32() }).nullByDefault(),
})

test('emptyOf: every field has its default', () => {
  expect(emptyOf(row)).toEqual({
    name: '',
    rack: null,
    isOpen: true,
    id: 'AAAAAAAAAAAAAAAAAAAAAA',
    place: { x: -1 },
    items: [],
    parent: null,
  })
})

test('emptyOf: twice: nothing shared that could be changed', () => {
  const [first, second] = [emptyOf(row), emptyOf(row)]
  first.items.push({ data: Buffer.alloc(1) })
  first.place.x = 5
  expect(second.items).toEqual([])
  expect(second.place.x).toBe(-1)
})

test('field: chained words: each makes a new field, in any order', () => {
  const plain = string('1+')
  const tagged = plain.ignorable().tag(3).nullable('2+')
  expect(plain).toMatchObject({ isIgnorable: false, tagNumber: -1, nullableVersions: [Infinity, -1] })
  expect(tagged).toMatchObject({ isIgnorable: true, tagNumber: 3, nullableVersions: [2, Infinity], fallback: '' })
  expect(plain.nullable('2+').tag(3).ignorable()).toEqual(tagged)
})
