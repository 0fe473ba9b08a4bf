/**
 * npm run bench -- NAME… [OPTIONS]: runs benchmarks; without a name it lists them. Each prints its figures and leaves JSON
 * in bench/results. Options are those of the benchmark; bench/README.md names them, and NAME --help.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = import.meta.dirname
const suffix = '.bench.ts'
const found = ['micro', 'macro'].flatMap(kind =>
  readdirSync(join(folder, kind))
    .filter(name => name.endsWith(suffix))
    .map(name => ({ name: `${kind}/${name.slice(0, -suffix.length)}`, path: join(folder, kind, name) })),
)
const words = process.argv.slice(2)
const firstOption = words.findIndex(word => word.startsWith('-'))
const names = firstOption < 0 ? words : words.slice(0, firstOption)
if (names.length === 0) {
  console.log(`Usage: npm run bench -- NAME… [OPTIONS]\n\n${found.map(({ name }) => `  ${name}`).join('\n')}`)
}
/** What a benchmark says of itself at its beginning. */
function headOf(path: string): string {
  const comment = /^\/\*\*\n(.*?) \*\//s.exec(readFileSync(path, 'utf8'))?.[1] ?? ''
  return comment === '' ? 'It takes no options.' : comment.replaceAll(/^ \* ?/gm, '').trimEnd()
}

for (const wanted of names) {
  const matches = found.filter(({ name }) => name === wanted || name.endsWith(`/${wanted}`))
  if (matches.length === 0) {
    console.error(`no benchmark '${wanted}'; npm run bench lists them`)
    process.exitCode = 1
  }
  for (const { name, path } of matches) {
    console.log(`\n# ${name}`)
    if (words.includes('--help')) console.log(headOf(path))
    else await import(pathToFileURL(path).href)
  }
}
