import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Logger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { World } from '@millrace/runtime/ports'
import { pino } from 'pino'
import yargs from 'yargs'
import { Broker } from './broker.ts'
import { ConfigError } from './settings/config-error.ts'
import { parseBrokerSettings, type ParsedBrokerSettings } from './settings/parse.ts'
import { parseProperties, type Properties } from './settings/properties.ts'

interface Arguments {
  readonly file: string
  readonly overrides: Properties
  /** Folder of the embedded coordination tree; null with a ZooKeeper ensemble. */
  readonly embedded: string | null
}

/** `millrace-broker server.properties [--override key=value]…`: runs one broker until SIGTERM or SIGINT, then exits 0; 1 when it cannot start or go on. */
export async function main(argv: readonly string[]): Promise<void> {
  const { file, overrides, embedded } = await parseArguments(argv)
  const parsed = readSettings(file, overrides, embedded)
  const logger = pinoLogger(process.env['MILLRACE_LOG_LEVEL'] ?? 'info')
  for (const { key, message } of parsed.warnings) logger.warn('setting without effect', { key, message })
  const bufferPool = new BufferPool()
  const world = nodeWorld({ bufferPool })
  const coordination = await coordinationOf(parsed, embedded, world, logger)
  const broker = new Broker({ parsed, world, bufferPool, logger, coordination, hostName: hostname(), onFatal: fatal })

  let stopping: Promise<void> | null = null
  const stop = (signal: string): void => {
    if (stopping !== null) return
    logger.info('stopping', { signal })
    // A stop that hangs must not be worse than a kill.
    const limit = setTimeout(() => fatal(new Error('the broker did not stop within 60 s')), 60_000)
    stopping = broker.stop().then(() => clearTimeout(limit))
    stopping.then(() => process.exit(0), fatal)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('uncaughtException', fatal)
  process.on('unhandledRejection', fatal)
  try {
    await broker.start()
  } catch (error) {
    if (stopping !== null) return
    fatal(error)
  }

  function fatal(error: unknown): void {
    const { message, stack, code } = error as Error & { code?: string }
    logger.error('the broker stops', { reason: message, code, stack })
    process.exit(1)
  }
}

async function parseArguments(argv: readonly string[]): Promise<Arguments> {
  const parsed = await yargs([...argv])
    .scriptName('millrace-broker')
    .usage('$0 <server.properties> [--override key=value]…\n\nRuns one broker with Kafka\'s property names.')
    .command('$0 <file>', false, command => command.positional('file', { type: 'string', demandOption: true, describe: 'properties file, as Kafka\'s server.properties' }))
    .option('override', { type: 'string', array: true, nargs: 1, default: [] as string[], describe: 'a property over those of the file: key=value' })
    .option('embedded', { type: 'string', describe: 'folder of an embedded coordination tree instead of a ZooKeeper ensemble: for one machine and this one broker' })
    .example('$0 server.properties', 'joins the cluster of its zookeeper.connect')
    .example('$0 server.properties --override broker.id=2 --override listeners=PLAINTEXT://:9093', 'a second broker from the same file')
    .strict()
    .help()
    .version(false)
    .parseAsync()
  const overrides = new Map<string, string>()
  for (const pair of parsed.override) {
    const equals = pair.indexOf('=')
    if (equals <= 0) exitWith([`--override ${pair}: expected key=value`])
    overrides.set(pair.slice(0, equals).trim(), pair.slice(equals + 1))
  }
  return { file: parsed['file'] as string, overrides, embedded: parsed.embedded ?? null }
}

function readSettings(file: string, overrides: Properties, embedded: string | null): ParsedBrokerSettings {
  let text: Buffer
  try {
    text = readFileSync(file)
  } catch (error) {
    return exitWith([`${file}: cannot be read (${(error as Error).message})`])
  }
  try {
    return parseBrokerSettings(parseProperties(text), overrides, { coordination: embedded === null ? 'ensemble' : 'embedded' })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return exitWith([`${file}: ${error.message}`])
  }
}

function exitWith(lines: readonly string[]): never {
  process.stderr.write(`${lines.join('\n')}\n`)
  process.exit(1)
}

async function coordinationOf({ settings }: ParsedBrokerSettings, embedded: string | null, world: World, logger: Logger): Promise<Coordination> {
  const sessionTimeoutMs = settings.get('zookeeper.session.timeout.ms')
  if (embedded !== null) return new EmbeddedTree({ world, logger, folder: embedded }).client({ sessionTimeoutMs })
  const { ensembleCoordination } = await import('@millrace/zookeeper/zookeeper/ensemble-coordination')
  return ensembleCoordination({
    servers: settings.get('zookeeper.connect') ?? '',
    sessionTimeoutMs,
    connectionTimeoutMs: settings.get('zookeeper.connection.timeout.ms') ?? sessionTimeoutMs,
    world,
    logger,
  })
}

/** One JSON line per event on standard output; message first, fields beside it. */
function pinoLogger(level: string): Logger {
  const wrap = (to: ReturnType<typeof pino>): Logger => ({
    error: (message, fields = {}) => to.error(fields, message),
    warn: (message, fields = {}) => to.warn(fields, message),
    info: (message, fields = {}) => to.info(fields, message),
    debug: (message, fields = {}) => to.debug(fields, message),
    isDebug: to.isLevelEnabled('debug'),
    child: fields => wrap(to.child(fields)),
  })
  return wrap(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } }, pino.destination({ fd: 1, sync: true })))
}
