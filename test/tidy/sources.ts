import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** One source file of a package, and what it imports. Paths are relative to the repository. */
export interface Source {
  readonly path: string
  readonly package: string
  /** Below the package's src: `log/segment.ts`. */
  readonly inside: string
  readonly isTest: boolean
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
}
export interface Import {
  readonly specifier: string
  /** Repository path, for imports of our own files. */
  readonly target: string | null
}

export const root = normalize(join(import.meta.dirname, '..', '..'))
const packages = readdirSync(join(root, 'packages')).sort()

const statement =
  /(?:^|\n)\s*(?:import|export)\b(?:[^'"`;]*?\bfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g

function importsOf(path: string, text: string): Import[] {
  return [...text.matchAll(statement)].map(match => {
    const specifier = (match[1] ?? match[2])!
    if (specifier.startsWith('.')) return { specifier, target: normalize(join(dirname(path), specifier)) }
    const own = /^@millrace\/([a-z]+)(?:\/(.+))?$/.exec(specifier)
    return { specifier, target: own === null ? null : `packages/${own[1]}/src/${own[2] ?? 'index'}.ts` }
  })
}

export function sources(): Source[] {
  return packages.flatMap(name => {
    const folder = join('packages', name, 'src')
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(inside => inside.endsWith('.ts') && !inside.endsWith('.d.ts'))
      .sort()
      .map(inside => {
        const path = join(folder, inside)
        const text = readFileSync(join(root, path), 'utf8')
        const isTest = /\.(test|bench|fuzz|contract)\.ts$/.test(inside)
        return { path, package: name, inside, isTest, lines: text.split('\n'), imports: importsOf(path, text) }
      })
  })
}
