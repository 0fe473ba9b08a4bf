import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describeWith } from '../oracles/describe-with.ts'
import { kafkaTool, KafkaTool, startKafka } from '../oracles/kafka.ts'
import { oraclePath } from '../oracles/oracles.ts'
import { eventually, runProcess } from '../oracles/processes.ts'
import { startMillrace, type MillraceCluster } from './clusters.ts'

jest.setTimeout(180_000)
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'some text to compress '.repeat(i % 7)}`)

describeWith(['kafka', 'kcat'], 'disk format, read by Kafka 3.9', () => {
  let cluster: MillraceCluster
  const kcat = async (bootstrap: string, args: readonly string[], input?: string): Promise<string> =>
    (
      await runProcess({
        name: 'kcat',
        command: oraclePath('kcat'),
        args: ['-b', bootstrap, ...args],
        ...(input === undefined ? {} : { input }),
      })
    ).stdout.toString()
  const consume = (bootstrap: string, topic: string): Promise<string> =>
    kcat(bootstrap, ['-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q'])
  /** A broker listens before its controller has told it what it leads. */
  const serves = (topic: string): Promise<void> =>
    eventually(
      async () =>
        (
          await runProcess({
            name: 'kcat',
            command: oraclePath('kcat'),
            args: ['-b', cluster.bootstrap, '-C', '-t', topic, '-p', '0', '-o', 'beginning', '-c', '1', '-q'],
            allowFailure: true,
          })
        ).code === 0,
      30_000,
    )
  const create = (topic: string, config: readonly string[]): Promise<unknown> =>
    kafkaTool(KafkaTool.topics, [
      '--bootstrap-server',
      cluster.bootstrap,
      '--create',
      '--topic',
      topic,
      '--partitions',
      '1',
      ...config.flatMap(entry => ['--config', entry]),
    ])

  beforeAll(async () => {
    cluster = await startMillrace('ensemble', 1, { 'zookeeper.session.timeout.ms': '6000' })
    for (const codec of codecs) {
      await create(`disk-${codec}`, ['segment.bytes=100000', 'index.interval.bytes=1000'])
      await kcat(
        cluster.bootstrap,
        ['-P', '-t', `disk-${codec}`, '-z', codec, '-X', 'batch.num.messages=100'],
        `${lines.join('\n')}\n`,
      )
    }
    await create('disk-append-time', ['message.timestamp.type=LogAppendTime'])
    await kcat(
      cluster.bootstrap,
      ['-P', '-t', 'disk-append-time', '-X', 'enable.idempotence=true'],
      `${lines.slice(0, 500).join('\n')}\n`,
    )
    await create('disk-recompressed', ['compression.type=zstd'])
    await kcat(
      cluster.bootstrap,
      ['-P', '-t', 'disk-recompressed', '-z', 'gzip'],
      `${lines.slice(0, 500).join('\n')}\n`,
    )
  })
  afterAll(() => cluster?.stop())

  const complaints = /mismatch|Found|not valid|isvalid: false|Exception|could not|corrupt/i
  async function expectDumpWithoutComplaint(): Promise<void> {
    const logDir = cluster.logDirs[0]!
    const topics = readdirSync(logDir).filter(name => name.startsWith('disk-'))
    expect(topics.length).toBe(7)
    const files = topics.flatMap(topic => readdirSync(join(logDir, topic)).map(name => join(logDir, topic, name)))
    const ending = (pattern: RegExp): string => files.filter(name => pattern.test(name)).join(',')
    expect(ending(/\.log$/).split(',').length).toBeGreaterThanOrEqual(20)
    const dump = async (...args: readonly string[]): Promise<string[]> =>
      (await kafkaTool(KafkaTool.dumpLog, args)).stdout.toString().split('\n')
    const [batches, sane, verified, states] = await Promise.all([
      dump('--deep-iteration', '--files', ending(/\.log$/)),
      dump('--index-sanity-check', '--files', ending(/\.index$/)),
      dump('--verify-index-only', '--files', ending(/\.(index|timeindex)$/)),
      dump('--files', ending(/\.snapshot$/)),
    ])
    for (const lines of [batches, sane, verified, states])
      expect(lines.filter(line => complaints.test(line))).toEqual([])
    expect(batches.filter(line => line.startsWith('| offset: ')).length).toBe(5 * 20_000 + 2 * 500)
    // Of an index without entries the tool says nothing.
    const filled = ending(/\.index$/)
      .split(',')
      .filter(path => statSync(path).size > 0)
    expect(sane.filter(line => line.endsWith('passed sanity check.')).length).toBe(filled.length)
  }

  test("Kafka's dump tool reads our segments, indexes and snapshots without complaint", async () => {
    await cluster.processes[0]!.stop()
    await expectDumpWithoutComplaint()
  })

  test('a real Kafka broker starts on our folder and ZooKeeper tree, serves it, appends; ours goes on from there', async () => {
    await cluster.processes[0]!.stop()
    const kafka = await startKafka({
      zookeeper: cluster.zookeeper!,
      brokerId: 1,
      logDirs: cluster.logDirs[0]!,
      port: cluster.ports[0]!,
    })
    try {
      await serves('disk-none')
      for (const codec of codecs)
        expect(await consume(cluster.bootstrap, `disk-${codec}`)).toBe(`${lines.join('\n')}\n`)
      for (const topic of ['disk-append-time', 'disk-recompressed'])
        expect(await consume(cluster.bootstrap, topic)).toBe(`${lines.slice(0, 500).join('\n')}\n`)
      await kcat(cluster.bootstrap, ['-P', '-t', 'disk-none'], 'from kafka\n')
      expect(kafka.process.output()).not.toMatch(/ERROR|corrupt|CorruptIndex/)
    } finally {
      await kafka.stop()
    }
    await cluster.restart(0)
    expect(await consume(cluster.bootstrap, 'disk-none')).toBe(`${lines.join('\n')}\nfrom kafka\n`)
    await kcat(cluster.bootstrap, ['-P', '-t', 'disk-none'], 'from millrace\n')
    expect(await consume(cluster.bootstrap, 'disk-none')).toBe(`${lines.join('\n')}\nfrom kafka\nfrom millrace\n`)
  })

  test('the same after kill -9 of our broker: Kafka recovers the folder and serves every record', async () => {
    const before = await consume(cluster.bootstrap, 'disk-lz4')
    cluster.processes[0]!.kill('SIGKILL')
    await cluster.processes[0]!.ended()
    await new Promise(resolve => setTimeout(resolve, 7000)) // the session of the killed broker
    const kafka = await startKafka({
      zookeeper: cluster.zookeeper!,
      brokerId: 1,
      logDirs: cluster.logDirs[0]!,
      port: cluster.ports[0]!,
    })
    try {
      await serves('disk-lz4')
      expect(await consume(cluster.bootstrap, 'disk-lz4')).toBe(before)
    } finally {
      await kafka.stop()
    }
    await cluster.restart(0)
  })
})
