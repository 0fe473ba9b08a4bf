/**
 * npm run check:packages: builds, packs every package, installs the tarballs into an empty folder, and runs plain JavaScript
 * samples there on the oldest Node that the packages promise and on Node 24: what a user of the published packages would have.
 * Then the declarations are compiled against as a user's TypeScript would, their own errors included.
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
`,
  'client.mjs': `import { Connection } from '@millrace/client'
import { nodeWorld } from '@millrace/runtime'
import { startCluster } from '@millrace/testing'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { buildBatch } from '@millrace/protocol/records/batch-builder'
const cluster = await startCluster({ brokers: 1 })
const port = cluster.brokers[0].port
const connection = await Connection.open({ host: '127.0.0.1', port, clientId: 'me', versions: 'negotiate', connectTimeoutMs: 10_000, requestTimeoutMs: 30_000 }, nodeWorld())
const topics = [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAA', name: 'events' }]
for (let errorCode = -1; errorCode !== 0; ) {
  const request = { topics, allowAutoTopicCreation: true, includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false }
  errorCode = (await connection.request(metadataRequest, metadataResponse, request)).topics[0].errorCode
}
const records = buildBatch([{ timestamp: Date.now(), key: null, value: Buffer.from('hello') }], { baseOffset: 0, codec: 'zstd' })
const { responses } = await connection.request(produceRequest, produceResponse, { transactionalId: null, acks: -1, timeoutMs: 5000, topicData: [{ name: 'events', partitionData: [{ index: 0, records }] }] })
console.log('produced: error ' + responses[0].partitionResponses[0].errorCode)
if (responses[0].partitionResponses[0].errorCode !== 0) process.exitCode = 1
await connection.close()
await cluster.close()
`,
  'broker.mjs': `import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
writeFileSync('server.properties', 'broker.id=1\\nlisteners=PLAINTEXT://127.0.0.1:0\\nlog.dirs=data-' + process.versions.node + '\\n')
const broker = spawn(process.execPath, ['node_modules/.bin/millrace-broker', 'server.properties', '--embedded', 'coordination-' + process.versions.node])
let output = ''
broker.stderr.on('data', data => { output += data })
broker.stdout.on('data', data => {
  output += data
  if (output.includes('broker started')) broker.kill('SIGTERM')
})
broker.on('close', code => {
  console.log(code === 0 && output.includes('broker started') ? 'broker ok' : 'Error: ' + code + ': ' + output)
  process.exitCode = code === 0 ? 0 : 1
})
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
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  let failed = 0
  const tell = (isOk: boolean, what: string, output: string): void => {
    if (!isOk) failed++
    console.log(
      `${isOk ? 'ok    ' : 'FAILED'} ${what}: ${isOk ? (output.trim().split('\n')[0] ?? '').slice(0, 100) : output}`,
    )
  }
  for (const version of ['22.15.0', '24']) {
    const home = join(folder, `node-${version}`)
    npm(['install', '--prefix', home, '--force', `${name}@${version}`], folder)
    const node = join(home, 'node_modules', name, 'bin', 'node')
    const bin = join('node_modules', '.bin', 'millrace-broker')
    const runs = [...Object.keys(samples).map(file => [file]), [bin, '--help']]
    for (const args of runs) {
      const { status, stdout, stderr } = spawnSync(node, args, { cwd: folder, encoding: 'utf8', timeout: 60_000 })
      const isOk = status === 0 && !stderr.includes('Error')
      tell(isOk, `Node ${version}: ${args.join(' ')}`, isOk ? stdout : stdout + stderr)
    }
  }
  writeFileSync(join(folder, 'declarations.ts'), samples['imports.mjs']!)
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
  const typeRoots = ['--typeRoots', join(root, 'node_modules', '@types')]
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const compiled = spawnSync(process.execPath, [compiler, ...options, ...typeRoots, 'declarations.ts'], {
    cwd: folder,
    encoding: 'utf8',
  })
  tell(compiled.status === 0, 'declarations', compiled.stdout)
  process.exitCode = failed === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
