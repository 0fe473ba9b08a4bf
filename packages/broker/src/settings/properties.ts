/** Key and value pairs of a properties file, in the order of the file; a key given twice has its last value. */
export type Properties = ReadonlyMap<string, string>

/**
 * A properties file as `java.util.Properties.load` reads it: comments after # or !, `=`, `:` or white space between key
 * and value, continued lines, escapes. White space at the end of a value belongs to it. Bytes that are not UTF-8 are
 * taken for ISO-8859-1, as older files may be. Throws RangeError for a malformed \u escape.
 */
export function parseProperties(content: Uint8Array | string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of logicalLines(typeof content === 'string' ? content : decode(content))) {
    const separator = findSeparator(line)
    const key = unescape(line.slice(0, separator.start))
    properties.set(key, unescape(line.slice(separator.end)))
  }
  return properties
}

/** What `Properties.store` writes: a comment with the date, then escaped pairs, which come in the order given here. */
export function formatProperties(
  properties: Properties,
  options: { readonly comment: string; readonly wallMs: number },
): string {
  const lines = [`#${options.comment}`, `#${javaDate(options.wallMs)}`]
  for (const [key, value] of properties) lines.push(`${escape(key, true)}=${escape(value, false)}`)
  return `${lines.join('\n')}\n`
}

function decode(content: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
  } catch {
    return Buffer.from(content).toString('latin1') // Java before 9 knew nothing else.
  }
}

const isBlank = (character: string | undefined): boolean =>
  character === ' ' || character === '\t' || character === '\f'

/** Lines without their leading white space, comments and blank lines left out, continued ones joined. */
function* logicalLines(text: string): Generator<string> {
  let pending: string | null = null
  for (const natural of text.split(/\r\n|\n|\r/)) {
    const line: string = natural.replace(/^[ \t\f]+/, '')
    // A comment cannot continue a line: there, # is text.
    if (pending === null && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue
    const backslashes = /\\*$/.exec(line)?.[0].length ?? 0
    const isContinued = backslashes % 2 === 1
    const joined: string = (pending ?? '') + (isContinued ? line.slice(0, -1) : line)
    pending = isContinued ? joined : null
    if (!isContinued) yield joined
  }
  // The file ended in a backslash.
  if (pending !== null && pending !== '') yield pending
}

/** Where the key ends and the value begins: white space, then at most one = or :, then white space. */
function findSeparator(line: string): { start: number; end: number } {
  let start = 0
  while (start < line.length && !isBlank(line[start]) && line[start] !== '=' && line[start] !== ':') {
    start += line[start] === '\\' ? 2 : 1
  }
  start = Math.min(start, line.length)
  let end = start
  while (isBlank(line[end])) end++
  if (line[end] === '=' || line[end] === ':') end++
  while (isBlank(line[end])) end++
  return { start, end }
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescape(text: string): string {
  return text.replace(/\\(u([0-9a-fA-F]{4})|[^]|$)/g, (_, escaped: string, hex: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16))
    if (escaped === 'u') throw new RangeError(`Malformed \\uxxxx encoding in ${JSON.stringify(text)}`)
    return escapes[escaped] ?? escaped
  })
}

function escape(text: string, isKey: boolean): string {
  let escaped = ''
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index)
    const code = text.charCodeAt(index)
    if (character === ' ') escaped += isKey || index === 0 ? '\\ ' : ' '
    else if (character === '\t') escaped += '\\t'
    else if (character === '\n') escaped += '\\n'
    else if (character === '\r') escaped += '\\r'
    else if (character === '\f') escaped += '\\f'
    else if ('\\=:#!'.includes(character)) escaped += `\\${character}`
    else if (code < 0x20 || code > 0x7e) escaped += `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`
    else escaped += character
  }
  return escaped
}

const days = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'] // 1970 began on a Thursday.
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Date.toString of Java, in UTC. */
function javaDate(wallMs: number): string {
  const seconds = Math.floor(wallMs / 1000)
  const day = Math.floor(seconds / 86_400)
  const { year, month, dayOfMonth } = civilDate(day)
  const two = (number: number): string => String(number).padStart(2, '0')
  const time = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':')
  return `${days[day % 7] ?? ''} ${months[month] ?? ''} ${two(dayOfMonth)} ${time} UTC ${year}`
}

/** Days since 1970 to the Gregorian calendar; months count from zero. Years are counted from March, so that the leap day is the last. */
function civilDate(daysSinceEpoch: number): { year: number; month: number; dayOfMonth: number } {
  const sinceMarch0 = daysSinceEpoch + 719_468
  const era = Math.floor(sinceMarch0 / 146_097)
  const dayOfEra = sinceMarch0 - era * 146_097
  const leapDays = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365)
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthSinceMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const month = (monthSinceMarch + 2) % 12
  const dayOfMonth = dayOfYear - Math.floor((153 * monthSinceMarch + 2) / 5) + 1
  return { year: yearOfEra + era * 400 + (month < 2 ? 1 : 0), month, dayOfMonth }
}
