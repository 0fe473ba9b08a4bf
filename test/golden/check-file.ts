import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { Checker, Report, Vector } from './checker.ts'

export interface Mismatch {
  readonly type: string
  readonly line: number
  readonly subject: string
  readonly why: string
}

export interface FileResult {
  readonly path: string
  /** Empty: no checker knows what it is. */
  readonly format: string
  readonly note: string
  readonly types: ReadonlyMap<string, Counts>
  readonly mismatches: readonly Mismatch[]
}

interface Counts {
  checked: number
  failed: number
  notBuilt: number
}

/** Finds out by its shape what `path` holds, and checks all of it. Never throws: what cannot be read is a mismatch. */
export async function checkFile(path: string, checkers: readonly Checker[]): Promise<FileResult> {
  const tally = new Tally()
  let format = ''
  try {
    if (path.endsWith('.tar.gz')) {
      const described = path.replace(/\.tar\.gz$/, '.json')
      const isDescribed = [described, `${described}.gz`, `${described}.br`].some(each => existsSync(each))
      if (!isDescribed) throw new Error(`${described}, which says what is in it, is not there`)
      return tally.result(path, 'archive', 'read together with the .json of its name')
    }
    const vectors = parse(unpacked(path).toString('utf8'), tally)
    const first = vectors[0]
    if (first === undefined) throw new Error('it holds no vectors')
    const checker = checkers.find(each => each.recognizes(first.value))
    if (checker === undefined)
      throw new Error(`no checker knows its format (known: ${checkers.map(each => each.format).join(', ')})`)
    format = checker.format
    await checker.check({ path, vectors, companion: name => companion(path, name) }, tally)
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    tally.failed('file', { line: 0, subject: '', why })
  }
  return tally.result(path, format, '')
}

class Tally implements Report {
  readonly #types = new Map<string, Counts>()
  readonly #mismatches: Mismatch[] = []

  passed(type: string): void {
    this.#of(type).checked++
  }

  failed(type: string, mismatch: Omit<Mismatch, 'type'>): void {
    const counts = this.#of(type)
    counts.checked++
    counts.failed++
    this.#mismatches.push({ type, ...mismatch })
  }

  notBuilt(type: string): void {
    this.#of(type).notBuilt++
  }

  result(path: string, format: string, note: string): FileResult {
    return { path, format, note, types: this.#types, mismatches: this.#mismatches }
  }

  #of(type: string): Counts {
    let counts = this.#types.get(type)
    if (counts === undefined) this.#types.set(type, (counts = { checked: 0, failed: 0, notBuilt: 0 }))
    return counts
  }
}

/** One JSON document, or one per line. A line that is not JSON is a mismatch of its own. */
function parse(text: string, tally: Tally): Vector[] {
  const whole = parseJson(text)
  if (whole !== undefined)
    return (Array.isArray(whole) ? whole : [whole]).map((value, index) => ({ line: index + 1, value }))
  const vectors: Vector[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const value = parseJson(line)
    if (value !== undefined && value !== null) vectors.push({ line: index + 1, value: value as Vector['value'] })
    else tally.failed('line', { line: index + 1, subject: '', why: `not JSON: ${line.slice(0, 80)}` })
  }
  return vectors
}

function parseJson(text: string): Vector['value'] | readonly Vector['value'][] | undefined {
  try {
    return JSON.parse(text) as Vector['value']
  } catch {
    return undefined // the caller tries lines, or reports it
  }
}

function companion(path: string, name: string): Buffer {
  const extension = name.slice(name.indexOf('.'))
  const sameStem = path.replace(/(\.jsonl?)(\.gz|\.br)?$/, extension)
  const found = [sameStem, join(dirname(path), name)].find(each => each !== path && existsSync(each))
  if (found === undefined) throw new Error(`${name} should lie beside ${path}`)
  return unpacked(found)
}

function unpacked(path: string): Buffer {
  const bytes = readFileSync(path)
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes)
  return path.endsWith('.br') ? brotliDecompressSync(bytes) : bytes
}
