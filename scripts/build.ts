/**
 * npm run build: `dist/` of every package (JavaScript, declarations, source maps), and the broker as one bundled file,
 * which starts several times faster than its modules.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { bundleBroker } from './bundle-broker.ts'
import { root } from './pinned-node.js'

/** In the order of their imports. */
const packages = ['runtime', 'protocol', 'zookeeper', 'client', 'broker', 'admin', 'testing']
const only = process.argv.slice(2)
const cache = join(root, 'node_modules', '.cache', 'millrace', 'build')

function compile(name: string): void {
  const folder = join(root, 'packages', name)
  rmSync(join(folder, 'dist'), { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const config = join(cache, `tsconfig.${name}.json`)
  const from = (path: string): string => relative(cache, path)
  writeFileSync(
    config,
    JSON.stringify({
      extends: from(join(root, 'tsconfig.json')),
      compilerOptions: {
        noEmit: false,
        incremental: false,
        tsBuildInfoFile: null,
        customConditions: [],
        allowImportingTsExtensions: false,
        rewriteRelativeImportExtensions: true,
        declaration: true,
        sourceMap: true,
        inlineSources: true,
        rootDir: from(join(folder, 'src')),
        outDir: from(join(folder, 'dist')),
        typeRoots: [from(join(root, 'node_modules', '@types'))],
      },
      include: [from(join(folder, 'src', '**', '*.ts'))],
      exclude: ['test', 'bench', 'fuzz', 'contract'].map(kind => from(join(folder, 'src', '**', `*.${kind}.ts`))),
    }),
  )
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', config],
    { cwd: root, stdio: 'inherit' },
  )
  if (status !== 0) throw new Error(`tsc failed for packages/${name}`)
}

const startedMs = Date.now()
const chosen = only.length === 0 ? packages : packages.filter(name => only.includes(name))
if (!only.includes('bundle'))
  for (const name of chosen) {
    console.log(`building packages/${name}`)
    compile(name)
  }
if (
  (only.length === 0 || only.includes('bundle') || only.includes('broker')) &&
  existsSync(join(root, 'packages', 'broker', 'src', 'main.ts'))
) {
  console.log('bundling the broker')
  await bundleBroker()
}
console.log(`built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`)
