/** Properties of the code itself: the plan of the house, as a test. Change a table here in a commit that says why. */
import { describe, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFlags } from '../../scripts/pinned-node.js'
import { root, sources, type Source } from './sources.ts'

const all = sources()
const production = all.filter(source => !source.isTest)

/** Package → the packages it may import; `client/connection` is the one room of the client that the broker may enter. */
const packageTable: Record<string, readonly string[]> = {
  runtime: [],
  protocol: [],
  zookeeper: ['runtime'],
  client: ['protocol', 'runtime'],
  broker: ['protocol', 'runtime', 'zookeeper', 'client/src/connection'],
  admin: ['client', 'protocol', 'runtime'],
  testing: ['runtime', 'protocol', 'zookeeper', 'client', 'broker', 'admin'],
}

/** Room of the broker → what else it may import, as prefixes of `room/…` in the broker or of other packages. */
const everyRoom = ['settings/', 'protocol/src/errors.ts', 'runtime/src/']
const roomTable: Record<string, readonly string[]> = {
  net: ['api/', 'protocol/src/'],
  api: [
    'replication/',
    'coordinators/',
    'controller/',
    'metadata/',
    'security/',
    'quotas/',
    'core/',
    'log/',
    'protocol/src/',
  ],
  coordinators: ['replication/', 'core/groups/', 'core/transactions/', 'metadata/', 'protocol/src/'],
  controller: ['core/controller/', 'metadata/', 'client/src/connection/', 'protocol/src/', 'zookeeper/src/'],
  replication: ['log/', 'core/partition/', 'core/log/', 'metadata/', 'client/src/connection/', 'protocol/src/'],
  log: ['core/log/', 'protocol/src/', 'runtime/src/'],
  metadata: ['zookeeper/src/', 'core/controller/', 'protocol/src/'],
  core: ['protocol/src/', 'settings/'],
  settings: ['protocol/src/'],
  security: ['core/security/', 'metadata/', 'protocol/src/'],
  quotas: ['core/quota/', 'protocol/src/'],
  metrics: ['runtime/src/'],
}

describe('imports', () => {
  test('between packages: only what the table allows', () => {
    const wrong = all.flatMap(source =>
      source.imports.flatMap(({ target, specifier }) => {
        const to = /^packages\/([a-z]+)\//.exec(target ?? '')?.[1]
        if (target === null || to === undefined || to === source.package) return []
        if (source.isTest && to === 'testing') return []
        const allowed = packageTable[source.package]!.some(entry => target.startsWith(`packages/${entry}/`))
        return allowed ? [] : [`${source.path} must not import ${specifier}`]
      }),
    )
    expect(wrong).toEqual([])
  })

  test('inside the broker: only rightwards', () => {
    const wrong = production
      .filter(({ package: name }) => name === 'broker')
      .flatMap(source => {
        const room = source.inside.split('/')[0]!
        if (!source.inside.includes('/')) return [] // broker.ts and main.ts wire everything
        return source.imports.flatMap(({ target, specifier }) => {
          if (target === null) return []
          const to = target.startsWith('packages/broker/src/')
            ? target.slice('packages/broker/src/'.length)
            : target.slice('packages/'.length)
          if (to.startsWith(`${room}/`)) return []
          const allowed = [...everyRoom, ...(roomTable[room] ?? [])].some(prefix => to.startsWith(prefix))
          return allowed ? [] : [`${source.path} must not import ${specifier}`]
        })
      })
    expect(wrong).toEqual([])
  })

  test('runtime/node: named by programs and tests only', () => {
    const allowed = (source: Source): boolean =>
      source.package === 'runtime' ||
      source.package === 'testing' ||
      source.isTest ||
      source.path === 'packages/broker/src/main.ts' ||
      source.path === 'packages/broker/src/index.ts'
    const wrong = all
      .filter(
        source =>
          !allowed(source) && source.imports.some(({ target }) => target?.startsWith('packages/runtime/src/node/')),
      )
      .map(({ path }) => path)
    expect(wrong).toEqual([])
  })

  test('index.ts: imported by nobody inside the workspace', () => {
    const wrong = all
      .filter(source => source.imports.some(({ target }) => /^packages\/[a-z]+\/src\/index\.ts$/.test(target ?? '')))
      .map(({ path }) => path)
    expect(wrong).toEqual([])
  })

  test('every import of our own files: exists', () => {
    const wrong = all.flatMap(source =>
      source.imports
        .filter(({ target }) => target !== null && !existsSync(join(root, target)))
        .map(({ specifier }) => `${source.path}: ${specifier}`),
    )
    expect(wrong).toEqual([])
  })

  test('no cycles, type imports included', () => {
    const graph = new Map(all.map(({ path, imports }) => [path, imports.flatMap(({ target }) => target ?? [])]))
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) return void cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      if (done.has(path)) return
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
    expect(cycles).toEqual([])
  })
})

const grep = (files: readonly Source[], pattern: RegExp): string[] =>
  files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      pattern.test(line.replace(/\/\/.*$|^\s*\*.*$|^\s*\/\*.*$/, '')) ? [`${path}:${index + 1}: ${line.trim()}`] : [],
    ),
  )
const inNode = (source: Source): boolean => source.path.startsWith('packages/runtime/src/node/')
const isProgram = (source: Source): boolean => source.path === 'packages/broker/src/main.ts'

describe('the outside world', () => {
  test('clock, chance, timers and devices: named in runtime/node only', () => {
    const world =
      /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.|\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b|\bprocess\.(hrtime|nextTick)|\bqueueMicrotask\b/
    expect(
      grep(
        production.filter(source => !inNode(source) && !isProgram(source)),
        world,
      ),
    ).toEqual([])
  })
  test('node modules: only where they belong', () => {
    const allowed: Record<string, RegExp> = {
      'node:zlib': /^packages\/protocol\/src\/compression\//,
      'node:crypto': /^packages\/(zookeeper|broker|protocol)\/src\//,
      'node:buffer': /./,
      'node:module': /^packages\/(zookeeper\/src\/zookeeper|broker\/src\/main\.ts)/,
      'node:os': /^packages\/(testing\/src\/cluster|broker\/src\/main\.ts)/,
      'node:path': /^packages\/(broker|testing|zookeeper)\/src\//,
      // The program reads its settings file before there is a world.
      'node:fs': /^packages\/(testing\/src\/cluster\/|broker\/src\/main\.ts)/,
      'node:url': /^packages\/(broker\/src\/main\.ts|testing)/,
    }
    const wrong = production
      .filter(source => !inNode(source))
      .flatMap(source =>
        source.imports
          .filter(({ specifier }) => specifier.startsWith('node:') && !allowed[specifier]?.test(source.path))
          .map(({ specifier }) => `${source.path} must not import ${specifier}`),
      )
    expect(wrong).toEqual([])
  })
  test('core: imports no port, no promise, no node module', () => {
    const core = production.filter(({ path }) => path.startsWith('packages/broker/src/core/'))
    const imports = core.flatMap(source =>
      source.imports
        .filter(
          ({ specifier, target }) =>
            specifier.startsWith('node:') ||
            (target?.startsWith('packages/runtime/') && !target.endsWith('/invariant.ts')) ||
            target?.startsWith('packages/zookeeper/'),
        )
        .map(({ specifier }) => `${source.path}: ${specifier}`),
    )
    expect(imports).toEqual([])
    expect(grep(core, /\basync\b|\bawait\b|\bPromise\b|\bprocess\./)).toEqual([])
  })
  test('pino: in main.ts only', () => {
    expect(
      all
        .filter(source => !isProgram(source) && source.imports.some(({ specifier }) => specifier === 'pino'))
        .map(({ path }) => path),
    ).toEqual([])
  })
})

describe('files', () => {
  test('names: kebab-case nouns, no drawers', () => {
    const wrong = all.filter(
      ({ inside }) =>
        !inside
          .split('/')
          .every(part => /^(\d\d-)?[a-z0-9]+(-[a-z0-9]+)*(\.(test|bench|fuzz|contract))?(\.ts)?$/.test(part)) ||
        /(^|\/|-)(utils?|common|helpers?|misc)(\/|\.|-)/.test(inside),
    )
    expect(wrong.map(({ path }) => path)).toEqual([])
  })
  test('sizes: none above 600 lines', () => {
    const rows = /^packages\/protocol\/(src\/messages|wasm)\/|\/crc32c-module\.ts$/
    expect(
      all
        .filter(({ path, lines }) => lines.length > 600 && !rows.test(path))
        .map(({ path, lines }) => `${path}: ${lines.length}`),
    ).toEqual([])
  })
  test('nothing left over', () => {
    expect(
      grep(
        all.filter(({ path }) => !path.includes('/tidy/')),
        /\bFIXME\b|\bdebugger\b|\b(test|describe|it)\.only\(/,
      ),
    ).toEqual([])
    expect(grep(production, /\bconsole\.(log|error|warn)\b/)).toEqual([])
    const todo = all.flatMap(({ path, lines }) =>
      lines.flatMap((line, i) => (/\bTODO\b/.test(line) && !/TODO\(#\d+\)/.test(line) ? [`${path}:${i + 1}`] : [])),
    )
    expect(todo).toEqual([])
  })
  test('every package: a README, an explicit index, exports', () => {
    for (const name of readdirSync(join(root, 'packages'))) {
      expect(existsSync(join(root, 'packages', name, 'README.md')) ? name : `${name} has no README.md`).toBe(name)
      expect(existsSync(join(root, 'packages', name, 'src', 'index.ts')) ? name : `${name} has no src/index.ts`).toBe(
        name,
      )
    }
    expect(
      grep(
        all.filter(({ inside }) => inside === 'index.ts'),
        /export \*/,
      ),
    ).toEqual([])
  })
  test('generated tables in docs: current', () => {
    const result = spawnSync(process.execPath, [...nodeFlags, join(root, 'scripts', 'generate-docs.ts'), '--check'], {
      cwd: root,
      encoding: 'utf8',
    })
    expect({ status: result.status, output: result.status === 0 ? '' : result.stdout + result.stderr }).toEqual({
      status: 0,
      output: '',
    })
  })
})
