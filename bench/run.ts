/**
 * npm run bench -- NAME…: runs benchmarks; without a name it lists them. Each prints its ratios and leaves JSON in bench/results.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = import.meta.dirname
const found = ['micro', 'macro'].flatMap(kind =>
  readdirSync(join(folder, kind)).filter(name => name.endsWith('.bench.ts')).map(name => ({ name: `${kind}/${name.replace(/\.bench\.ts$/, '')}`, path: join(folder, kind, name) })),
)
const names = process.argv.slice(2).filter(word => !word.startsWith('-'))
if (names.length === 0) console.log(`Usage: npm run bench -- NAME…\n\n${found.map(({ name }) => `  ${name}`).join('\n')}`)
for (const wanted of names) {
  const matches = found.filter(({ name }) => name === wanted || name.endsWith(`/${wanted}`))
  if (matches.length === 0) {
    console.error(`no benchmark '${wanted}'; npm run bench lists them`)
    process.exitCode = 1
  }
  for (const { name, path } of matches) {
    console.log(`\n# ${name}`)
    await import(pathToFileURL(path).href)
  }
}
