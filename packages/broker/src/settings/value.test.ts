import { expect, test } from '@jest/globals'
import {
  boolean,
  className,
  double,
  int,
  list,
  long,
  never,
  password,
  Secret,
  short,
  string,
  atLeast,
} from './setting.ts'
import { javaDoubleText, parseValue } from './value.ts'

const facts = { update: 'read-only', importance: 'LOW', doc: '', status: never('a test') } as const
const rows = {
  boolean: boolean(null, facts),
  int: int(null, { ...facts, range: atLeast(-5) }),
  short: short(null, facts),
  long: long(null, facts),
  double: double(null, facts),
  list: list(null, facts),
  string: string(null, facts),
  class: className(null, facts),
}

test.each([
  ['boolean', ' TRUE ', true, 'true'],
  ['boolean', 'False', false, 'false'],
  ['int', ' +007\t', 7, '7'],
  ['int', '2147483647', 2_147_483_647, '2147483647'],
  ['int', '-5', -5, '-5'],
  ['short', '-32768', -32_768, '-32768'],
  ['long', '9007199254740991', Number.MAX_SAFE_INTEGER, '9007199254740991'],
  ['long', '9223372036854775807', Number.MAX_SAFE_INTEGER, '9223372036854775807'],
  ['long', '-9223372036854775808', Number.MIN_SAFE_INTEGER, '-9223372036854775808'],
  ['double', '1', 1, '1.0'],
  ['double', '.5d', 0.5, '0.5'],
  ['double', '1e-3', 0.001, '0.001'],
  ['double', '1.7976931348623157E308', Number.MAX_VALUE, '1.7976931348623157E308'],
  ['list', ' a , b,c ', ['a', 'b', 'c'], 'a,b,c'],
  ['list', '', [], ''],
  ['list', 'a,,b', ['a', '', 'b'], 'a,,b'],
  ['string', '  x y ', 'x y', 'x y'],
  ['class', 'a.B', 'a.B', 'a.B'],
] as const)('value: %s %j', (type, text, value, printed) => {
  expect(parseValue('k', rows[type], text)).toEqual({ value, text: printed })
})

test.each([
  ['boolean', 'yes', 'Invalid value yes for configuration k: Expected value to be either true or false'],
  ['int', '', 'Invalid value  for configuration k: Not a number of type INT'],
  ['int', '1.0', 'Invalid value 1.0 for configuration k: Not a number of type INT'],
  ['int', '0x10', 'Invalid value 0x10 for configuration k: Not a number of type INT'],
  ['int', '2147483648', 'Invalid value 2147483648 for configuration k: Not a number of type INT'],
  ['int', '-6', 'Invalid value -6 for configuration k: Value must be at least -5'],
  ['short', '32768', 'Invalid value 32768 for configuration k: Not a number of type SHORT'],
  ['long', '9223372036854775808', 'Invalid value 9223372036854775808 for configuration k: Not a number of type LONG'],
  ['double', '1,5', 'Invalid value 1,5 for configuration k: Not a number of type DOUBLE'],
] as const)('value: %s %j: refused', (type, text, message) => {
  expect(() => parseValue('k', rows[type], text)).toThrow(message)
})

test('value: passwords: never shown', () => {
  const { value, text } = parseValue('k', password(null, facts), 'geheim')
  expect(text).toBe('[hidden]')
  expect(`${String(value)} ${JSON.stringify({ value })}`).not.toContain('geheim')
  expect((value as Secret).reveal()).toBe('geheim')
})

test.each([
  [0, '0.0'],
  [0.01, '0.01'],
  [0.0001, '1.0E-4'],
  [12_345_678, '1.2345678E7'],
  [9_999_999, '9999999.0'],
  [-0.5, '-0.5'],
  [Infinity, 'Infinity'],
])('double: %d prints as in Java', (value, text) => {
  expect(javaDoubleText(value)).toBe(text)
})
