import { Secret, type SettingRow } from './setting.ts'

/** A value as a row types it, and as Kafka would print it (null for null). */
export interface ParsedValue {
  readonly value: unknown
  readonly text: string | null
}

/** Thrown by `parseValue`; the message is Kafka's. */
export class InvalidSetting extends Error {
  override readonly name = 'InvalidSetting'
  readonly key: string
  readonly given: string
  /** What was wrong, without key and value. */
  readonly why: string
  constructor(key: string, given: string, why: string) {
    super(`Invalid value ${given} for configuration ${key}: ${why}`)
    this.key = key
    this.given = given
    this.why = why
  }
}

/** The row's default. */
export function defaultValue(row: SettingRow): ParsedValue {
  return row.default === null ? { value: null, text: null } : parseValue('default', row, row.default)
}

/**
 * As Java's ConfigDef reads a value: trimmed; numbers in Java's syntax; lists split at commas. Then the row's range.
 * Throws InvalidSetting.
 */
export function parseValue(key: string, row: SettingRow, given: string): ParsedValue {
  const fail = (why: string, culprit = given): never => {
    throw new InvalidSetting(key, row.type === 'PASSWORD' ? '[hidden]' : culprit, why)
  }
  const parsed = parseType(row, javaTrim(given), why => fail(why))
  const problem = row.range?.problem(parsed.value as never, key) ?? null
  if (problem !== null) fail(problem.why, problem.culprit ?? parsed.text ?? given)
  return parsed
}

function parseType(row: SettingRow, text: string, fail: (why: string) => never): ParsedValue {
  switch (row.type) {
    case 'BOOLEAN': {
      const word = text.toLowerCase()
      if (word !== 'true' && word !== 'false') fail('Expected value to be either true or false')
      return { value: word === 'true', text: word }
    }
    case 'INT':
      return parseInteger(text, 31n, () => fail('Not a number of type INT'))
    case 'SHORT':
      return parseInteger(text, 15n, () => fail('Not a number of type SHORT'))
    case 'LONG':
      return parseInteger(text, 63n, () => fail('Not a number of type LONG'))
    case 'DOUBLE': {
      if (!javaDouble.test(text)) fail('Not a number of type DOUBLE')
      const value = Number(text.replace(/(?<=[\d.])[dDfF]$/, ''))
      return { value, text: javaDoubleText(value) }
    }
    case 'LIST': {
      const elements = text === '' ? [] : text.split(',').map(javaTrim)
      return { value: elements, text: elements.join(',') }
    }
    case 'PASSWORD':
      return { value: new Secret(text), text: '[hidden]' }
    case 'STRING':
    case 'CLASS':
      return { value: text, text }
  }
}

function parseInteger(text: string, bits: bigint, fail: () => never): ParsedValue {
  if (!/^[+-]?\d{1,40}$/.test(text)) fail()
  const exact = BigInt(text.replace(/^\+/, ''))
  if (exact < -(1n << bits) || exact >= 1n << bits) fail()
  const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number
  const value = Math.min(Math.max(Number(exact), MIN_SAFE_INTEGER), MAX_SAFE_INTEGER)
  return { value, text: exact.toString() }
}

const javaDouble = /^[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[dDfF]?)$/

/** Double.toString: always with a point, exponents outside 10^-3..10^7. */
export function javaDoubleText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const size = Math.abs(value)
  if (size >= 1e-3 && size < 1e7) return Number.isInteger(value) ? `${value}.0` : String(value)
  const [digits = '', exponent = ''] = value.toExponential().split('e')
  return `${digits.includes('.') ? digits : `${digits}.0`}E${Number(exponent)}`
}

/** String.trim of Java: everything up to U+0020, and nothing else. */
export function javaTrim(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what it trims
  return text.replace(/^[\u0000-\u0020]+|[\u0000-\u0020]+$/g, '')
}
