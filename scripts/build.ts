/**
 * npm run build: `dist/` of every package (JavaScript, declarations, source maps), and the broker as one bundled file,
 * which starts several times faster than its modules.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { build, type Plugin } from 'esbuild'
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

/**
 * CommonJS, because loading an ES module makes Node evaluate every getter of each built-in module it imports, and the loader
 * itself takes 8 ms. Names are kept, so that a stack trace reads well without the map.
 */
async function bundleBroker(): Promise<void> {
  const folder = join(root, 'packages', 'broker')
  const output = join(folder, 'dist', 'bundle')
  rmSync(output, { recursive: true, force: true })
  await build({
    entryPoints: [join(folder, 'src', 'main.ts')],
    outfile: join(output, 'millrace-broker.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    sourcemap: 'linked',
    conditions: ['@millrace/source'],
    logLevel: 'warning',
    plugins: [lazyBuiltins],
    define: { 'import.meta.url': '__fileUrl' },
    banner: { js: `const __fileUrl = require('node:url').pathToFileURL(__filename).href;` },
  })
  writeFileSync(join(output, 'start.cjs'), starter)
}

/** Built-in modules that take milliseconds to load and that a start may not need: loaded when first used. */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(hooks) {
    hooks.onResolve(
      { filter: /^(node:)?(crypto|zlib|worker_threads|assert|child_process|dns)$/ },
      ({ path, namespace }) =>
        namespace === 'lazy-builtin'
          ? { path, external: true }
          : { path: path.replace(/^node:/, ''), namespace: 'lazy-builtin' },
    )
    hooks.onLoad({ filter: /.*/, namespace: 'lazy-builtin' }, ({ path }) => {
      const names = Object.keys(createRequire(import.meta.url)(path) as object).filter(name =>
        /^[A-Za-z_$][\w$]*$/.test(name),
      )
      const getters = names.map(name => `get ${name}() { return load().${name} }`)
      const load = `let loaded; const load = () => loaded ??= require('node:${path}');`
      // assert is a function with functions on it; whoever calls it loads it.
      const target =
        path === 'assert'
          ? 'Object.defineProperties((...given) => load()(...given), Object.getOwnPropertyDescriptors(lazy))'
          : 'lazy'
      return { contents: `${load} const lazy = { ${getters.join(', ')} }; module.exports = ${target}`, loader: 'js' }
    })
  },
}

/** What the bin runs: V8 keeps the compiled code between starts. */
const starter = `'use strict'
require('node:module').enableCompileCache()
void require('./millrace-broker.cjs').main(process.argv.slice(2))
`

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
