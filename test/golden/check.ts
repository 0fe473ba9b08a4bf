// npm run golden [-- FILE…]: checks files of shared vectors, or the copies in ./vectors when none is named.
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { checkFile, type FileResult } from './check-file.ts'
import { loadCheckers } from './checkers.ts'

const MISMATCHES_SHOWN = 10

// npm moves to the repository before it runs this; names count from where it was called.
const named = process.argv.slice(2).map(name => resolve(process.env['INIT_CWD'] ?? '.', name))
const bundled = join(import.meta.dirname, 'vectors')
const paths = named.length > 0 ? named : readdirSync(bundled).map(name => join(bundled, name))
const checkers = await loadCheckers()

let failures = 0
for (const path of paths) {
  const result = await checkFile(path, checkers)
  print(result)
  failures += result.mismatches.length
}
console.log(failures === 0 ? `${paths.length} files, all right` : `${paths.length} files, ${failures} failures`)
process.exitCode = failures === 0 ? 0 : 1

function print({ path, format, types, mismatches, note }: FileResult): void {
  console.log(`${path}${format === '' ? '' : ` (${format})`}${note === '' ? '' : `: ${note}`}`)
  for (const [type, { checked, failed, notBuilt }] of types) {
    console.log(`  ${type.padEnd(40)} ${columns({ checked, failed, 'not built': notBuilt })}`)
  }
  for (const { type, line, subject, why } of mismatches.slice(0, MISMATCHES_SHOWN)) {
    console.log(`  FAILED ${type}, line ${line}${subject === '' ? '' : `, ${subject}`}: ${why}`)
  }
  if (mismatches.length > MISMATCHES_SHOWN) console.log(`  … and ${mismatches.length - MISMATCHES_SHOWN} more`)
}

function columns(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${String(count).padStart(6)} ${name}`)
    .join(' ')
}
