// node packages/protocol/wasm/build.js [--check]: compiles each NAME.c here and writes it, as base64, to src/compression/NAME-module.ts.
// With --check it only compares, and exits 1 when a module in the tree is not what its source gives.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const flags = [
  ...['--target=wasm32', '-nostdlib', '-O3', '-msimd128', '-fno-builtin'],
  ...['-Wl,--no-entry', '-Wl,--strip-all', '-Wl,-z,stack-size=4096'],
]

for (const name of ['crc32c', 'blocks']) {
  const target = join(here, `../src/compression/${name}-module.ts`)
  const text = moduleOf(name, compiled(name))
  if (!process.argv.includes('--check')) writeFileSync(target, text)
  else if (readFileSync(target, 'utf8') !== text) {
    console.error(
      `${name}-module.ts is not what ${name}.c gives here (another clang?); see packages/protocol/wasm/README.md`,
    )
    process.exitCode = 1
  }
}

function compiled(name) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-wasm-'))
  try {
    const output = join(folder, `${name}.wasm`)
    execFileSync(process.env['CLANG'] ?? 'clang', [...flags, '-o', output, join(here, `${name}.c`)], {
      stdio: 'inherit',
    })
    return readFileSync(output).toString('base64')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function moduleOf(name, base64) {
  const lines = base64.match(/.{1,110}/g).map(line => `  '${line}',`)
  return `/** packages/protocol/wasm/${name}.c, compiled and encoded by build.js beside it. Do not edit. */
export const ${name}Module = [
${lines.join('\n')}
].join('')
`
}
