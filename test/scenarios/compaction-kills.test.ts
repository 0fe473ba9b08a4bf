import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { readdirSync, readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
} from '@millrace/protocol/messages/44-incremental-alter-configs'
import { decodeOffsetCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { startMillrace, type MillraceCluster } from '../interop/clusters.ts'
import { describeWith } from '../oracles/describe-with.ts'
import { oraclePath } from '../oracles/oracles.ts'
import { eventually, runProcess } from '../oracles/processes.ts'
import { KeyedLoad, type SeenRecord } from './keyed-load.ts'
import { lasting, sleep } from './under-load.ts'

/* In-process kills at every write and rename of a compaction: packages/broker/src/log/compaction-crash.test.ts. This is the real thing. */

jest.setTimeout(lasting(180_000, 1_800_000))

const topic = 'keyed'
const partitions = 3
/** SEED and KILLS in the environment play others. */
const kills = Number(process.env['KILLS'] ?? lasting(16, 200))

/** Compaction is at work nearly all of the time: tiny segments, tiny buffers, no pause, and a throttle that draws it out. */
const busyCleaner = {
  'log.cleaner.threads': '2',
  'log.cleaner.io.buffer.size': '8192',
  'log.cleaner.dedupe.buffer.size': '2200000',
  'log.cleaner.io.max.bytes.per.second': '2000000',
  'log.cleaner.backoff.ms': '1',
  'log.segment.delete.delay.ms': '100',
  'zookeeper.session.timeout.ms': '2000',
}
const compacted = {
  'cleanup.policy': 'compact',
  'segment.bytes': '20000',
  'min.cleanable.dirty.ratio': '0.01',
  'delete.retention.ms': '500',
}

/** What the process is killed at: some time, or the n-th change of such a file. */
const moments = [
  null,
  /\.log\.cleaned$/,
  /index\.cleaned$/,
  /\.swap$/,
  /\.deleted$/,
  /^cleaner-offset-checkpoint/,
] as const

describeWith(['kcat'], 'a broker process that compacts', () => {
  let cluster: MillraceCluster
  let client: ClusterClient
  beforeAll(async () => {
    cluster = await startMillrace('embedded', 1, busyCleaner)
    client = new ClusterClient(() => [{ id: 1, port: cluster.ports[0]!, isRunning: true }])
    await client.createTopic(topic, { partitions, replicas: 1, configs: compacted })
  })
  afterAll(async () => {
    await client?.close()
    await cluster?.stop()
  })

  const folders = (): string[] =>
    Array.from({ length: partitions }, (_, partition) => join(cluster.logDirs[0]!, `${topic}-${partition}`))
  const namesIn = (folder: string, ending: RegExp): string[] => readdirSync(folder).filter(name => ending.test(name))
  const segments = (folder: string): string[] => namesIn(folder, /\.log$/)

  /** Resolves at the moment, or after a second. */
  async function moment(random: SeededRandom): Promise<void> {
    const name = moments[random.below(moments.length)]!
    const timeMs = random.below(500)
    let changes = 1 + random.below(name === null ? 1 : 25)
    if (name === null) return sleep(timeMs)
    await new Promise<void>(resolve => {
      const watchers = [cluster.logDirs[0]!, ...folders()].map(folder =>
        watch(folder, (_, changed) => {
          if (changed !== null && name.test(changed) && --changes === 0) end()
        }),
      )
      const timer = setTimeout(() => end(), 1000)
      const end = (): void => {
        clearTimeout(timer)
        for (const watcher of watchers) watcher.close()
        resolve()
      }
    })
  }

  /** Partitions that are not compacted as far as they may be. */
  function dirty(): string[] {
    const bytes = readFileSync(join(cluster.logDirs[0]!, 'cleaner-offset-checkpoint'))
    const cleaned = new Map(decodeOffsetCheckpoint(bytes).map(({ partition, offset }) => [partition, offset]))
    return folders().flatMap((folder, partition) => {
      const isClean = cleaned.get(partition) === parseInt(segments(folder).at(-1)!, 10)
      if (isClean) return []
      return [`${folder} is compacted up to ${cleaned.get(partition)}: ${readdirSync(folder).join(', ')}`]
    })
  }

  async function unthrottle(): Promise<void> {
    const name = 'log.cleaner.io.max.bytes.per.second'
    const { responses } = await client.ask(1, incrementalAlterConfigsRequest, incrementalAlterConfigsResponse, {
      // Of all brokers.
      resources: [{ resourceType: 4, resourceName: '', configs: [{ name, configOperation: 0, value: '1e12' }] }],
      validateOnly: false,
    })
    expect(responses).toMatchObject([{ errorCode: 0 }])
  }

  async function consumed(partition: number): Promise<SeenRecord[]> {
    const { stdout } = await runProcess({
      name: 'kcat',
      command: oraclePath('kcat'),
      args: [
        ...['-b', cluster.bootstrap, '-C', '-t', topic, '-p', String(partition), '-o', 'beginning', '-e', '-q'],
        ...['-X', 'check.crcs=true', '-f', '%o %S %k %s\\n'],
      ],
    })
    return stdout
      .toString()
      .split('\n')
      .filter(line => line !== '')
      .map(line => {
        const [offset = '', size = '', key = '', ...value] = line.split(' ')
        return { offset: Number(offset), key, value: size === '-1' ? null : value.join(' ') }
      })
  }

  test(`killed -9 at ${kills} seeded moments under a load of keyed records: of every key the last acknowledged record is there; the end never goes back`, async () => {
    const seed = Number(process.env['SEED'] ?? 5)
    const random = new SeededRandom(seed)
    const load = new KeyedLoad(topic, partitions, cluster.ports[0]!, seed)
    let amid = 0
    for (let kill = 0; kill < kills; kill++) {
      await moment(random)
      const ends = [...load.ackedEnds]
      expect(cluster.processes[0]!.output()).not.toMatch(/"level":"(error|fatal)"/)
      cluster.processes[0]!.kill('SIGKILL')
      await cluster.processes[0]!.ended()
      if (folders().some(folder => namesIn(folder, /\.(cleaned|swap)$/).length > 0)) amid++
      await cluster.restart(0)
      for (const [partition, end] of ends.entries()) {
        await client.until('led', async () => (await client.endOffset(topic, partition)) >= 0, 20_000)
        const endOffset = await client.endOffset(topic, partition)
        expect({ kill, partition, isKept: endOffset >= end, endOffset, end }).toMatchObject({ isKept: true })
      }
    }
    // A kill between the last swap and the checkpoint leaves little that is dirty, too little for another compaction: some segments more.
    const ends = load.ackedEnds.map(end => end + 800)
    await eventually(async () => ends.every((end, partition) => load.ackedEnds[partition]! >= end), 60_000)
    await load.stop()
    // What two hundred kills left undone is more than the throttle lets through in a minute.
    await unthrottle()
    // Everything but the active segment is compacted in the end.
    await eventually(async () => dirty().length === 0, 60_000).catch(error => {
      throw new Error(`${dirty().join('\n')}\n${cluster.processes[0]!.output()}`, { cause: error })
    })
    let records = 0
    for (let partition = 0; partition < partitions; partition++) {
      const seen = await consumed(partition)
      records += seen.length
      expect(load.complaints(partition, seen)).toEqual([])
    }
    expect(load.ackedCount).toBeGreaterThan(kills * 100)
    expect(records).toBeLessThan(load.ackedCount / 3)
    expect(amid).toBeGreaterThan(kills / 8)
    console.log(
      `seed ${seed}: ${kills} kills, ${amid} amid a compaction; ${load.ackedCount} acknowledged, ${records} left`,
    )
  })
})
