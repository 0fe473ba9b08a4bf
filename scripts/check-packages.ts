/**
 * npm run check:packages: builds, packs every package, installs the tarballs into an empty folder, and runs a plain JavaScript
 * sample there on Node 22 and on Node 24: what a user of the published packages would have.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeFlags, root } from './pinned-node.js'

const names = ['runtime', 'protocol', 'zookeeper', 'client', 'broker', 'admin', 'testing']
const folder = mkdtempSync(join(tmpdir(), 'millrace-packages-'))
const npm = (args: readonly string[], cwd: string): string =>
  execFileSync('npm', [...args, '--loglevel=error', '--no-audit', '--no-fund'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })

const samples: Record<string, string> = {
  'imports.mjs':
    names.map(name => `import * as ${name} from '@millrace/${name}'\n`).join('') +
    `console.log(Object.entries({ ${names.join(', ')} }).map(([name, exports]) => name + ':' + Object.keys(exports).length).join(' '))\n`,
  'codec.mjs': `import { codec } from '@millrace/protocol/codec'
import { metadataRequest } from '@millrace/protocol/messages/03-metadata'
import { Reader } from '@millrace/protocol/reader'
import { Writer } from '@millrace/protocol/writer'
const writer = new Writer()
codec(metadataRequest, 12).encode(writer, { topics: null, allowAutoTopicCreation: true, includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false })
const decoded = codec(metadataRequest, 12).decode(new Reader(writer.finish()))
if (decoded.topics !== null) throw new Error('Metadata v12 did not come back')
console.log('codec ok')
`,
  'cluster.mjs': `import { startCluster } from '@millrace/testing'
import { connect } from 'node:net'
const cluster = await startCluster({ brokers: 3 })
const [host, port] = cluster.bootstrapServers.split(',')[0].split(':')
const answer = await new Promise((resolve, reject) => {
  const socket = connect(Number(port), host, () => socket.write(Buffer.from([0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 0, 1, 0x62])))
  socket.once('data', data => { socket.destroy(); resolve(data) }).once('error', reject)
})
if (answer.readInt16BE(8) !== 0) throw new Error('ApiVersions failed')
await cluster.close()
console.log('cluster ok: ' + answer.readInt32BE(10) + ' APIs')
process.exit(0)
`,
}

try {
  execFileSync(process.execPath, [...nodeFlags, join(root, 'scripts', 'build.ts')], { cwd: root, stdio: 'inherit' })
  for (const name of names) npm(['pack', '--pack-destination', folder], join(root, 'packages', name))
  const tarballs = readdirSync(folder)
    .filter(file => file.endsWith('.tgz'))
    .map(file => `./${file}`)
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'sample', version: '1.0.0', private: true, type: 'module' }),
  )
  npm(['install', ...tarballs], folder)
  for (const [file, text] of Object.entries(samples)) writeFileSync(join(folder, file), text)
  const nodes = new Map<string, string>()
  for (const major of ['22', '24']) {
    const home = join(folder, `node-${major}`)
    npm(
      [
        'install',
        '--prefix',
        home,
        '--force',
        `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}@${major}`,
      ],
      folder,
    )
    nodes.set(
      major,
      join(
        home,
        'node_modules',
        `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`,
        'bin',
        'node',
      ),
    )
  }
  let failed = 0
  for (const [major, node] of nodes) {
    const runs: [string, readonly string[]][] = [
      ...Object.keys(samples).map((file): [string, readonly string[]] => [file, [file]]),
      ['millrace-broker --help', [join('node_modules', '.bin', 'millrace-broker'), '--help']],
    ]
    for (const [what, args] of runs) {
      const { status, stdout, stderr } = spawnSync(node, args, { cwd: folder, encoding: 'utf8', timeout: 60_000 })
      const ok = status === 0 && !stderr.includes('Error')
      if (!ok) failed++
      console.log(
        `${ok ? 'ok    ' : 'FAILED'} Node ${major}: ${what}: ${(stdout.trim().split('\n')[0] ?? '').slice(0, 100)}${ok ? '' : `\n${stderr}`}`,
      )
    }
  }
  process.exitCode = failed === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
