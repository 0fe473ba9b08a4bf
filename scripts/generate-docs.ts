/**
 * Writes the pages of `docs/` that come out of tables in the code. `--check` writes nothing: it says which pages are
 * stale and ends with 1 if any is.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { configurationPage } from './configuration-page.ts'

interface Page {
  /** Below `docs/`. */
  readonly path: string
  render(): string
}

const pages: readonly Page[] = [{ path: 'configuration.md', render: configurationPage }]

const root = join(import.meta.dirname, '..')
const isCheck = process.argv.includes('--check')
let staleCount = 0
for (const page of pages) {
  const path = join(root, 'docs', page.path)
  const expected = page.render()
  if (read(path) === expected) continue
  staleCount++
  const shown = relative(root, path)
  if (isCheck) {
    process.stderr.write(`${shown} is stale: npm run docs writes it anew\n`)
  } else {
    writeFileSync(path, expected)
    process.stdout.write(`${shown} written\n`)
  }
}
if (isCheck && staleCount > 0) process.exitCode = 1

/** Empty where there is no such file. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
