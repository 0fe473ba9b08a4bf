// node packages/protocol/wasm/build.js [--check]: compiles crc32c.c and writes it, as base64, to src/compression/crc32c-module.ts.
// With --check it only compares, and exits 1 when the module in the tree is not what the source gives.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const target = join(here, '../src/compression/crc32c-module.ts')
const flags = [
  ...['--target=wasm32', '-nostdlib', '-O3', '-msimd128', '-fno-builtin'],
  ...['-Wl,--no-entry', '-Wl,--strip-all', '-Wl,-z,stack-size=4096'],
]

const folder = mkdtempSync(join(tmpdir(), 'millrace-wasm-'))
let base64
try {
  execFileSync(process.env['CLANG'] ?? 'clang', [...flags, '-o', join(folder, 'crc32c.wasm'), join(here, 'crc32c.c')], {
    stdio: 'inherit',
  })
  base64 = readFileSync(join(folder, 'crc32c.wasm')).toString('base64')
} finally {
  rmSync(folder, { recursive: true })
}

const lines = base64.match(/.{1,110}/g).map(line => `  '${line}',`)
const text = `/** packages/protocol/wasm/crc32c.c, compiled and encoded by build.js beside it. Do not edit. */
export const crc32cModule = [
${lines.join('\n')}
].join('')
`
if (!process.argv.includes('--check')) writeFileSync(target, text)
else if (readFileSync(target, 'utf8') !== text) {
  console.error(
    'crc32c-module.ts is not what crc32c.c gives here (another clang?); see packages/protocol/wasm/README.md',
  )
  process.exit(1)
}
