import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'
import type { EnsembleOptions } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { BufferPool } from '@millrace/runtime/buffer-pool'
import type { Logger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { World } from '@millrace/runtime/ports'
import { pino } from 'pino'
import { Broker } from './broker.ts'
import { BadArgument, readCommandLine, type CommandLine } from './command-line.ts'
import type { StoredSession } from './metadata/session-file.ts'
import { ConfigError } from './settings/config-error.ts'
import { parseBrokerSettings, type ParsedBrokerSettings } from './settings/parse.ts'
import { parseProperties, type Properties } from './settings/properties.ts'

/** `millrace-broker server.properties [--override key=value]…`: runs one broker until SIGTERM or SIGINT, then exits 0; 1 when it cannot start or go on. */
export async function main(argv: readonly string[]): Promise<void> {
  const { file, overrides, embedded } = await commandLine(argv)
  const parsed = readSettings(file, overrides, embedded)
  const logger = pinoLogger(process.env['MILLRACE_LOG_LEVEL'] ?? 'info')
  for (const { key, message } of parsed.warnings) logger.warn('setting without effect', { key, message })
  const bufferPool = new BufferPool()
  const world = nodeWorld({ bufferPool })
  const coordination = await coordinationOf(parsed, embedded, world, logger)
  const broker = new Broker({
    ...{ parsed, world, bufferPool, logger, coordination, hostName: hostname(), onFatal: fatal },
    endSession: embedded === null ? session => endSessionOf(parsed, world, logger, session) : undefined,
  })

  // The ports' timers keep no process alive. Between two attempts to reach ZooKeeper there is nothing else, and Node would end.
  setInterval(() => {}, 60_000)
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

async function commandLine(argv: readonly string[]): Promise<CommandLine> {
  try {
    return await readCommandLine(argv)
  } catch (error) {
    if (!(error instanceof BadArgument)) throw error
    return exitWith([error.message])
  }
}

function readSettings(file: string, overrides: Properties, embedded: string | null): ParsedBrokerSettings {
  let text: Buffer
  try {
    text = readFileSync(file)
  } catch (error) {
    return exitWith([`${file}: cannot be read (${(error as Error).message})`])
  }
  try {
    return parseBrokerSettings(parseProperties(text), overrides, {
      coordination: embedded === null ? 'ensemble' : 'embedded',
    })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return exitWith([`${file}: ${error.message}`])
  }
}

function exitWith(lines: readonly string[]): never {
  process.stderr.write(`${lines.join('\n')}\n`)
  process.exit(1)
}

async function coordinationOf(
  { settings }: ParsedBrokerSettings,
  embedded: string | null,
  world: World,
  logger: Logger,
): Promise<Coordination> {
  const sessionTimeoutMs = settings.get('zookeeper.session.timeout.ms')
  if (embedded !== null) return new EmbeddedTree({ world, logger, folder: embedded }).client({ sessionTimeoutMs })
  const { ensembleCoordination } = await import('@millrace/zookeeper/zookeeper/ensemble-coordination')
  return ensembleCoordination(ensembleOf(settings, world, logger))
}

async function endSessionOf(
  { settings }: ParsedBrokerSettings,
  world: World,
  logger: Logger,
  session: StoredSession,
): Promise<boolean> {
  const { endSession } = await import('@millrace/zookeeper/zookeeper/end-session')
  return endSession(ensembleOf(settings, world, logger), session)
}

function ensembleOf(settings: ParsedBrokerSettings['settings'], world: World, logger: Logger): EnsembleOptions {
  const sessionTimeoutMs = settings.get('zookeeper.session.timeout.ms')
  return {
    servers: settings.get('zookeeper.connect') ?? '',
    sessionTimeoutMs,
    connectionTimeoutMs: settings.get('zookeeper.connection.timeout.ms') ?? sessionTimeoutMs,
    requestsInFlightMax: settings.get('zookeeper.max.in.flight.requests'),
    world,
    logger,
  }
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
  return wrap(
    pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: label => ({ level: label }) },
      },
      pino.destination({ fd: 1, sync: true }),
    ),
  )
}
