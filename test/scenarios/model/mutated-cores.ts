import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from '../../../scripts/pinned-node.js'
import { coreFolder } from './core-folder.ts'

/** One fault, put into a copy of `broker/core`: `search` must occur exactly once in `file`. */
export interface Mutation {
  readonly name: string
  /** Where it was seen before. */
  readonly ledger: string
  readonly file: string
  readonly search: string
  readonly replace: string
}

/** Copies of the core, one per fault. They stand outside of node_modules, where Node strips no types; imports of packages find the real ones. */
export class MutatedCores {
  readonly #folder = mkdtempSync(join(tmpdir(), 'millrace-mutations-'))
  #count = 0

  constructor() {
    writeFileSync(join(this.#folder, 'package.json'), '{"type":"module"}\n')
    symlinkSync(join(root, 'node_modules'), join(this.#folder, 'node_modules'), 'junction')
  }

  /** Where the copy is. Throws when the patch no longer applies. */
  write({ file, search, replace }: Mutation): string {
    const place = join(this.#folder, String(this.#count++))
    mkdirSync(place)
    const copy = join(place, 'src', 'core')
    cpSync(coreFolder, copy, { recursive: true, filter: source => !source.endsWith('.test.ts') })
    const path = join(copy, file)
    const text = readFileSync(path, 'utf8')
    if (text.split(search).length !== 2)
      throw new Error(`the patch no longer applies: ${file}: ${JSON.stringify(search)}`)
    writeFileSync(
      path,
      text.replace(search, () => replace),
    )
    symlinkSync(join(dirname(coreFolder), 'settings'), join(place, 'src', 'settings'), 'junction')
    return copy
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
