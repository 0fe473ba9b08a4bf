/** Where and how `actual` differs from `expected`, null if it does not. The order of members does not matter; bytes compare as bytes. */
export function jsonDifference(expected: unknown, actual: unknown, path = ''): string | null {
  if (Object.is(expected, actual)) return null
  if (expected instanceof Uint8Array && actual instanceof Uint8Array) {
    return Buffer.compare(expected, actual) === 0 ? null : mismatch(path, hex(expected), hex(actual))
  }
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length) return mismatch(path, `${expected.length} items`, `${actual.length} items`)
    return firstOf(expected.keys(), index => jsonDifference(expected[index], actual[index], `${path}[${index}]`))
  }
  if (isObject(expected) && isObject(actual)) {
    const names = new Set([...Object.keys(expected), ...Object.keys(actual)])
    return firstOf(names, name => jsonDifference(expected[name], actual[name], path === '' ? name : `${path}.${name}`))
  }
  return mismatch(path, JSON.stringify(expected), JSON.stringify(actual))
}

function firstOf<T>(items: Iterable<T>, differenceOf: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = differenceOf(item)
    if (found !== null) return found
  }
  return null
}

function mismatch(path: string, expected: string | undefined, actual: string | undefined): string {
  const shorten = (text: string | undefined): string => (text === undefined ? 'nothing' : text.slice(0, 200))
  return `${path === '' ? 'value' : path} should be ${shorten(expected)}, is ${shorten(actual)}`
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}
