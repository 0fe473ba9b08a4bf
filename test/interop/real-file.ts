import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { root } from '../../scripts/pinned-node.js'

const cache = join(root, 'node_modules', '.cache', 'millrace')

/**
 * A real text file of at least that many MiB: the lines of the sources under node_modules, each with its number in front, so that
 * order and completeness can be told from the lines alone. Made once and kept.
 */
export function realFile(mebibytes: number): string {
  const wantedBytes = mebibytes * 1024 * 1024
  const path = join(cache, `real-file-${mebibytes}.txt`)
  if (existsSync(path) && statSync(path).size >= wantedBytes) return path
  mkdirSync(cache, { recursive: true })
  const unfinished = `${path}.${process.pid}`
  const file = openSync(unfinished, 'w')
  let bytes = 0
  let number = 0
  while (bytes < wantedBytes) {
    for (const source of textFiles(join(root, 'node_modules'))) {
      const lines = readFileSync(source, 'utf8')
        .split(/\r?\n/)
        .filter(line => line.trim().length > 0 && line.length < 10_000 && !line.includes('\0'))
      const text = lines.map(line => `${String(number++).padStart(9, '0')} ${line}\n`).join('')
      bytes += writeSync(file, text)
      if (bytes >= wantedBytes) break
    }
  }
  closeSync(file)
  renameSync(unfinished, path)
  return path
}

function* textFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* textFiles(path)
    else if (/\.(js|cjs|mjs|ts|md|json)$/.test(entry.name)) yield path
  }
}
