/** `npm start`: a cluster of brokers in this process, on loopback, its data kept between runs. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import yargs from 'yargs'
import { startCluster, type Cluster } from '@millrace/testing/cluster/cluster'
import type { Logger, LogFields } from '@millrace/runtime/logger'
import { lockFile } from '@millrace/runtime/node/file-lock'
import type { FileLock } from '@millrace/runtime/ports'
import { root } from './pinned-node.js'

const startedMs = performance.now()
let isQuiet = false
const options = await yargs(process.argv.slice(2))
  .scriptName('npm start --')
  .usage('$0 [options]\n\nRuns a Millrace cluster on 127.0.0.1 until Ctrl-C.')
  .option('brokers', { type: 'number', default: 3, describe: 'how many; ids from 1' })
  .option('port', { type: 'number', default: 9092, describe: 'of the first broker; the others follow' })
  .option('data', {
    type: 'string',
    default: join(root, 'data'),
    defaultDescription: './data',
    describe: 'folder of logs and coordination, kept between runs',
  })
  .option('zookeeper', {
    type: 'string',
    describe: 'HOST:PORT/CHROOT of an ensemble, instead of the tree in this process',
  })
  .option('fresh', { type: 'boolean', default: false, describe: 'removes the data folder first' })
  .option('override', {
    type: 'string',
    array: true,
    nargs: 1,
    default: [] as string[],
    describe: 'a property of every broker: key=value',
  })
  .example('$0 --brokers 1', 'one broker on 127.0.0.1:9092')
  .example('$0 --fresh --override log.segment.bytes=1048576', 'an empty cluster with small segments')
  .strict()
  .help()
  .version(false)
  .wrap(null) // yargs breaks words in the middle where it wraps
  .check(({ brokers, port }) => {
    if (!Number.isInteger(brokers) || brokers < 1 || brokers > 100)
      throw new Error(`--brokers ${brokers}: expected a whole number from 1 to 100`)
    if (!Number.isInteger(port) || port < 1 || port + brokers > 65_536)
      throw new Error(`--port ${port}: expected a port with room for ${brokers} brokers`)
    return true
  })
  .parseAsync()

const folder = resolve(options.data)
if (options.fresh) {
  try {
    removeUnused(folder)
  } catch (error) {
    stop(advice(error as Error & { code?: string }))
  }
}
const overrides = Object.fromEntries(
  options.override.map(pair => {
    const equals = pair.indexOf('=')
    if (equals <= 0) stop(`--override ${pair}: expected key=value`)
    return [pair.slice(0, equals).trim(), pair.slice(equals + 1)]
  }),
)

/** What gives the promise of the README: a record that was acknowledged with acks=all survives the loss of any broker. */
const safeTopics: Record<string, string> = {
  ...(options.brokers > 1 && { 'default.replication.factor': String(Math.min(3, options.brokers)) }),
  ...(options.brokers > 2 && { 'min.insync.replicas': '2' }),
}
let cluster: Cluster
try {
  cluster = await startCluster({
    brokers: options.brokers,
    port: options.port,
    folder,
    properties: { ...safeTopics, ...overrides },
    logger: plainLogger({}),
    ...(options.zookeeper === undefined ? {} : { zookeeper: options.zookeeper }),
  })
} catch (error) {
  stop(advice(error as Error & { code?: string }))
}
const [first] = cluster.bootstrapServers.split(',')
console.log(`${options.brokers} ${options.brokers === 1 ? 'broker' : 'brokers'} ready after ${Math.round(performance.now() - startedMs)} ms: ${cluster.bootstrapServers}
Coordination: ${options.zookeeper ?? 'embedded, for this machine only'}. Data: ${shortPath(folder)}. Stop with Ctrl-C.

Try, in another terminal:
  kcat -b ${first} -L
  seq 1 1000 | kcat -b ${first} -t numbers -P -z lz4
  kcat -b ${first} -t numbers -C -e -q | tail -3`)

let stopping = false
const shutDown = (): void => {
  if (stopping) return
  stopping = true
  console.log('stopping…')
  isQuiet = true // the brokers leave one by one, and those that stay would say so
  cluster.close().then(
    () => process.exit(0),
    (error: unknown) => stop(`stopping failed: ${String(error)}`),
  )
}
process.on('SIGINT', shutDown)
process.on('SIGTERM', shutDown)

function stop(message: string): never {
  console.error(message)
  process.exit(1)
}
/** Removes a data folder; throws FileLocked, and removes nothing, while another cluster runs on it. */
function removeUnused(path: string): void {
  if (!existsSync(path)) return
  const locks: FileLock[] = []
  try {
    for (const name of readdirSync(path)) {
      const lock = join(path, name, name === 'coordination' ? 'lock' : '.lock')
      if (existsSync(lock)) locks.push(lockFile(lock))
    }
    rmSync(path, { recursive: true, force: true })
  } finally {
    for (const lock of locks) lock.release()
  }
}
/** As short as it can be said: below the present folder, or from the root. */
function shortPath(path: string): string {
  const below = relative(process.cwd(), path) || '.'
  return below.startsWith('..') ? path : below
}
/** The system's code of the failure, however deep it lies. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : codeOf(error.cause)
}
function advice(error: Error): string {
  const code = codeOf(error)
  if (code === 'EADDRINUSE') {
    return `${error.message}\nAnother program listens there. Stop it, or choose other ports: npm start -- --port 19092`
  }
  if (error.name === 'FileLocked') {
    return `${error.message}\nAnother cluster runs on ${folder}. Stop it, or choose another folder: npm start -- --data DIR`
  }
  if (code !== undefined && ['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR'].includes(code)) {
    return `${error.message}\nThis user cannot use the folder ${folder}, or the port. Choose others with --data and --port.`
  }
  // Errors with a name of their own say what to do; of others the stack helps whoever gets the report.
  return `The cluster did not start: ${error.message}${error.name === 'Error' ? `\n${error.stack}` : ''}`
}
/** People read this: warnings and errors only, in plain lines. */
function plainLogger(fixed: LogFields): Logger {
  const say = (level: string, message: string, fields: LogFields = {}): void => {
    const all = Object.entries({ ...fixed, ...fields }).filter(([, value]) => value !== undefined)
    console.error(
      `${level}: ${message}${all.map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join('')}`,
    )
  }
  return {
    error: (message, fields) => say('error', message, fields),
    warn: (message, fields) => {
      if (!isQuiet) say('warning', message, fields)
    },
    info: () => {},
    debug: () => {},
    isDebug: false,
    child: fields => plainLogger({ ...fixed, ...fields }),
  }
}
