import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { Kafka, logLevel } from 'kafkajs'
import { describeWith } from '../oracles/describe-with.ts'
import { oraclePath } from '../oracles/oracles.ts'
import { runProcess } from '../oracles/processes.ts'
import { startMillrace, type CoordinationKind, type MillraceCluster } from './clusters.ts'
import { realFile } from './real-file.ts'
import { storedBatches, type StoredBatch } from './stored-batches.ts'

const codecs = [
  ['none', 0],
  ['gzip', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['zstd', 4],
] as const
const kinds: readonly CoordinationKind[] = ['embedded', 'ensemble']
jest.setTimeout(300_000) // 100 MB through kcat and back takes seconds, with gzip tens of them

describeWith(['kcat', 'kafka'], 'kcat', () => {
  describe.each(kinds)('%s coordination', kind => {
    let cluster: MillraceCluster
    let expected: string
    // Where a broker keeps its metadata makes no difference to records: once with much is enough.
    const mebibytes = kind === 'embedded' ? 100 : 10
    const file = realFile(mebibytes)
    beforeAll(async () => {
      cluster = await startMillrace(kind)
      expected = await digestOfFile(file)
    })
    afterAll(() => cluster?.stop())

    const kcat = (args: readonly string[], input?: string): ReturnType<typeof runProcess> =>
      runProcess({
        name: `kcat ${args.join(' ')}`,
        command: oraclePath('kcat'),
        args: ['-b', cluster.bootstrap, ...args],
        ...(input === undefined ? {} : { input }),
        timeoutMs: 180_000,
      })
    const create = async (topic: string, partitions: number): Promise<void> => {
      const admin = new Kafka({ brokers: cluster.bootstrap.split(','), logLevel: logLevel.NOTHING }).admin()
      await admin.connect()
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] })
      await admin.disconnect()
    }
    const produce = (topic: string, codec: string): ReturnType<typeof runProcess> =>
      kcat([
        '-P',
        '-t',
        topic,
        '-z',
        codec,
        '-X',
        'queue.buffering.max.kbytes=262144',
        '-X',
        'queue.buffering.max.messages=2000000',
        '-X',
        'linger.ms=20',
        '-X',
        'sticky.partitioning.linger.ms=0', // a partition of its own for each record, so that all get some
        '-l',
        file,
      ])

    test.each(codecs)(
      `one partition, %s: ${mebibytes} MB come back byte for byte, stored with that codec`,
      async (codec, id) => {
        const topic = `one-${codec}`
        await create(topic, 1)
        await produce(topic, codec)
        const { stdout } = await kcat(['-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q'])
        expect(createHash('sha256').update(stdout).digest('hex')).toBe(expected)
        const batches = storedBatches(cluster.logDirs, topic, 0)
        expect(batches.length).toBeGreaterThan(mebibytes / 2)
        expectCodec(batches, id)
      },
    )

    test.each(codecs)('six partitions, %s: equal after sorting, and in order in each partition', async (codec, id) => {
      const topic = `six-${codec}`
      await create(topic, 6)
      await produce(topic, codec)
      const all: string[] = []
      for (let partition = 0; partition < 6; partition++) {
        const { stdout } = await kcat(['-C', '-t', topic, '-p', String(partition), '-o', 'beginning', '-e', '-q'])
        const lines = linesOf(stdout)
        expect(lines.length).toBeGreaterThan(100 * mebibytes)
        expect(lines.findIndex((line, i) => i > 0 && line <= lines[i - 1]!)).toBe(-1)
        for (const line of lines) all.push(line)
        expectCodec(storedBatches(cluster.logDirs, topic, partition), id)
      }
      all.sort()
      const digest = createHash('sha256')
      for (const line of all) digest.update(line, 'latin1').update('\n')
      expect(digest.digest('hex')).toBe(expected)
    })

    test('metadata: kcat -L lists brokers, topic, leaders', async () => {
      const { stdout } = await kcat(['-L', '-J'])
      const metadata = JSON.parse(stdout.toString()) as {
        brokers: { id: number }[]
        topics: { topic: string; partitions: { leader: number }[] }[]
      }
      expect(metadata.brokers.map(({ id }) => id).sort((a, b) => a - b)).toEqual([1, 2, 3])
      const topic = metadata.topics.find(({ topic: name }) => name === 'six-none')!
      expect(topic.partitions.map(({ leader }) => leader).sort((a, b) => a - b)).toEqual([1, 1, 2, 2, 3, 3])
    })

    test('an unknown topic: created on first use, with keys and headers kept', async () => {
      await kcat(['-P', '-t', 'made-by-use', '-K', ':', '-H', 'h=1'], 'a:1\nb:2\n')
      const { stdout } = await kcat(['-C', '-t', 'made-by-use', '-o', 'beginning', '-e', '-q', '-f', '%k=%s %h\\n'])
      expect(stdout.toString().trim().split('\n').sort()).toEqual(['a=1 h=1', 'b=2 h=1'])
    })
  })
})

/** All batches have this codec, but for short ones: librdkafka sends a batch as it is where compressing does not make it smaller. */
function expectCodec(batches: readonly StoredBatch[], codec: number): void {
  const others = batches.filter(batch => batch.codec !== codec)
  expect(others.filter(batch => batch.codec !== 0 || batch.size > 2048)).toEqual([])
}
/** latin1 keeps the bytes and their order. */
function linesOf(bytes: Buffer): string[] {
  const lines: string[] = []
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start)
    lines.push(bytes.toString('latin1', start, end))
    start = end + 1
  }
  return lines
}
function digestOfFile(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const digest = createHash('sha256')
    createReadStream(path)
      .on('data', chunk => digest.update(chunk))
      .on('end', () => resolve(digest.digest('hex')))
      .on('error', reject)
  })
}
