import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { oraclePath } from './oracles.ts'
import { freePorts, runProcess, startProcess, untilListening, type RunningProcess } from './processes.ts'

const quick = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']
/** Silent logging for tools; a broker logs warnings to its output. */
function log4j(folder: string, level: string, more = ''): string {
  const file = join(folder, `log4j-${level}.properties`)
  writeFileSync(
    file,
    `${more}log4j.rootLogger=${level}, stderr\nlog4j.appender.stderr=org.apache.log4j.ConsoleAppender\nlog4j.appender.stderr.target=System.err\nlog4j.appender.stderr.layout=org.apache.log4j.PatternLayout\nlog4j.appender.stderr.layout.ConversionPattern=[%d] %p %m (%c)%n\n`,
  )
  return `-Dlog4j.configuration=file:${file}`
}
let shared: string | undefined
const folder = (): string => (shared ??= mkdtempSync(join(tmpdir(), 'millrace-kafka-tools-')))
process.on('exit', () => {
  if (shared !== undefined) rmSync(shared, { recursive: true, force: true })
})

/** The main classes of Kafka's own tools. */
export const KafkaTool = {
  topics: 'org.apache.kafka.tools.TopicCommand',
  configs: 'kafka.admin.ConfigCommand',
  consoleProducer: 'kafka.tools.ConsoleProducer',
  consoleConsumer: 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  dumpLog: 'kafka.tools.DumpLogSegments',
  getOffsets: 'org.apache.kafka.tools.GetOffsetShell',
  deleteRecords: 'org.apache.kafka.tools.DeleteRecordsCommand',
  logDirs: 'org.apache.kafka.tools.LogDirsCommand',
  groups: 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  apiVersions: 'kafka.admin.BrokerApiVersionsCommand',
  reassign: 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  leaderElection: 'org.apache.kafka.tools.LeaderElectionCommand',
  replicaVerification: 'org.apache.kafka.tools.ReplicaVerificationTool',
  clientCompatibility: 'org.apache.kafka.tools.ClientCompatibilityTest',
  broker: 'kafka.Kafka',
} as const

export interface JavaOptions {
  readonly input?: string | Buffer
  readonly allowFailure?: boolean
  readonly timeoutMs?: number
}
/** What a JVM that runs something of Kafka's is started with. */
export const toolJvm = (): string[] => [...quick, log4j(folder(), 'ERROR'), '-cp', `${oraclePath('kafka')}/*`]

/** Runs one of Kafka's tools to its end. */
export function kafkaTool(
  mainClass: string,
  args: readonly string[],
  options: JavaOptions = {},
): ReturnType<typeof runProcess> {
  return runProcess({
    name: mainClass,
    command: 'java',
    args: [...toolJvm(), mainClass, ...args],
    ...options,
  })
}
/** Runs a single Java source file against Kafka's client library. */
export function javaSource(
  file: string,
  args: readonly string[],
  options: JavaOptions = {},
): ReturnType<typeof runProcess> {
  return runProcess({
    name: file,
    command: 'java',
    args: [...toolJvm(), file, ...args],
    ...options,
  })
}

export interface KafkaBroker {
  readonly port: number
  readonly process: RunningProcess
  readonly logDirs: string
  stop(): Promise<void>
}
/** A real Kafka 3.9.1 broker in ZooKeeper mode, on loopback. */
export async function startKafka(options: {
  zookeeper: string
  brokerId: number
  logDirs?: string
  port?: number
  properties?: Record<string, string>
  java?: readonly string[]
  /** Classes whose information is printed, too, not only warnings. */
  informative?: readonly string[]
  taskset?: string
}): Promise<KafkaBroker> {
  const work = mkdtempSync(join(tmpdir(), 'millrace-kafka-'))
  const [port = 0] = options.port === undefined ? await freePorts(1) : [options.port]
  const logDirs = options.logDirs ?? join(work, 'data')
  mkdirSync(logDirs, { recursive: true })
  const properties: Record<string, string> = {
    'broker.id': String(options.brokerId),
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'zookeeper.connect': options.zookeeper,
    'log.dirs': logDirs,
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    ...options.properties,
  }
  const config = join(work, 'server.properties')
  writeFileSync(
    config,
    Object.entries(properties)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  const args = [
    ...(options.java ?? ['-Xmx768m', '-XX:+UseSerialGC']),
    log4j(work, 'WARN', (options.informative ?? []).map(name => `log4j.logger.${name}=INFO\n`).join('')),
    '-cp',
    `${oraclePath('kafka')}/*`,
    KafkaTool.broker,
    config,
  ]
  const process = startProcess(
    options.taskset === undefined
      ? { name: `kafka ${options.brokerId}`, command: 'java', args }
      : { name: `kafka ${options.brokerId}`, command: 'taskset', args: ['-c', options.taskset, 'java', ...args] },
  )
  await untilListening(port, 60_000, process)
  return {
    port,
    process,
    logDirs,
    async stop() {
      await process.stop()
      rmSync(work, { recursive: true, force: true })
    },
  }
}
