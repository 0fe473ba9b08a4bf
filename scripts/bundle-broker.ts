/** The broker as a few bundled files, which start several times faster than its modules. Targets Node 22, the oldest we run on. */
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { root } from './pinned-node.js'

/**
 * Writes packages/broker/dist/bundle:
 *
 *   start.cjs ─► millrace-broker.cjs ─► yargs.cjs                  people who need help with the command line
 *                                   └─► node-zookeeper-client.cjs  brokers with an ensemble
 *
 * CommonJS, because loading an ES module makes Node evaluate every getter of each built-in module it imports, and the loader
 * itself takes 8 ms. Names are kept, so that a stack trace reads well without the map.
 */
export async function bundleBroker(): Promise<void> {
  const folder = join(root, 'packages', 'broker')
  const output = join(folder, 'dist', 'bundle')
  rmSync(output, { recursive: true, force: true })
  const bundle = (entry: string, name: string, plugins: Plugin[]): Promise<unknown> =>
    build({ ...options, stdin: { contents: entry, resolveDir: folder }, outfile: join(output, name), plugins })
  await Promise.all([
    bundle(`export * from './src/main.ts'`, 'millrace-broker.cjs', [lazyBuiltins, lazyTransport, separateFiles]),
    bundle(`module.exports = require('yargs').default`, 'yargs.cjs', [lazyBuiltins]),
    bundle(`module.exports = require('node-zookeeper-client')`, 'node-zookeeper-client.cjs', [lazyBuiltins]),
  ])
  writeFileSync(join(output, 'start.cjs'), starter)
}

const options = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node22',
  minifySyntax: true,
  minifyWhitespace: true,
  // An uncaught error prints the whole line that it came from.
  lineLimit: 120,
  legalComments: 'none',
  sourcemap: 'linked',
  conditions: ['@millrace/source'],
  logLevel: 'warning',
  // `import()` becomes a `require` that waits: the loader of ES modules stays out of it.
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': '__fileUrl' },
  banner: { js: `const __fileUrl = require('node:url').pathToFileURL(__filename).href;` },
} satisfies BuildOptions

/** What only some starts need lies in files of its own, so that the others neither read nor check it. */
const separateFiles: Plugin = {
  name: 'separate-files',
  setup(hooks) {
    hooks.onResolve({ filter: /^(yargs|node-zookeeper-client)$/ }, ({ path }) => ({
      path: `./${path}.cjs`,
      external: true,
    }))
  },
}

const lazyNames = ['assert', 'child_process', 'crypto', 'dns', 'worker_threads', 'zlib']

/** Built-in modules that take 1 to 5 ms and 1 to 3 MB to load: loaded when something of them is first used. */
const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(hooks) {
    const namespace = 'lazy-builtin'
    hooks.onResolve({ filter: new RegExp(`^(node:)?(${lazyNames.join('|')})$`) }, ({ path, namespace: from }) =>
      from === namespace ? { path, external: true } : { path: path.replace(/^node:/, ''), namespace },
    )
    hooks.onLoad({ filter: /.*/, namespace }, ({ path }) => ({ contents: lazyModule(path), loader: 'js' }))
  },
}

function lazyModule(name: string): string {
  const isIdentifier = (text: string): boolean => /^[A-Za-z_$][\w$]*$/.test(text)
  const names = Object.keys(createRequire(import.meta.url)(name) as object).filter(isIdentifier)
  const getters = names.map(each => `get ${each}() { return ${known[`${name}.${each}`] ?? `load().${each}`} }`)
  const parts = [
    `let loaded`,
    `const load = () => loaded ??= require('node:${name}')`,
    `const lazy = { ${getters.join(', ')} }`,
  ]
  // What holds needs no module to say so.
  const check = '(value, ...rest) => { if (!value) load()(value, ...rest) }'
  const all = name === 'assert' ? `Object.defineProperties(${check}, Object.getOwnPropertyDescriptors(lazy))` : 'lazy'
  return [...parts, `module.exports = ${all}`].join('\n')
}

/** pino writes through a worker thread if asked; we never do, and loading threads takes 2 ms and 2 MB: loaded when called. */
const lazyTransport: Plugin = {
  name: 'lazy-transport',
  setup(hooks) {
    hooks.onResolve({ filter: /^called:/ }, ({ path }) => ({ path: path.slice('called:'.length), suffix: '?called' }))
    hooks.onLoad({ filter: /pino.lib.transport\.js$/ }, ({ path, suffix }) => {
      if (suffix === '?called') return null
      return { contents: `module.exports = (...given) => require(${JSON.stringify(`called:${path}`)})(...given)` }
    })
  },
}

/** Answers that need no module. pino asks at its first line; a program is never a worker. */
const known: Readonly<Record<string, string>> = { 'worker_threads.isMainThread': 'true' }

/** What the bin runs: V8 keeps the compiled code between starts. */
const starter = `'use strict'
require('node:module').enableCompileCache()
void require('./millrace-broker.cjs').main(process.argv.slice(2))
`
