import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '@millrace/protocol/messages/34-alter-replica-log-dirs'
import { describeLogDirsRequest, describeLogDirsResponse } from '@millrace/protocol/messages/35-describe-log-dirs'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { describeWith } from '../oracles/describe-with.ts'
import { KafkaTool, startKafka, type KafkaBroker } from '../oracles/kafka.ts'
import { eventually } from '../oracles/processes.ts'
import { startWithDisks, type MillraceCluster } from './clusters.ts'
import { ToolShell } from './tool-shell.ts'

jest.setTimeout(120_000)

describeWith(['kafka'], 'log directories, with Kafka 3.9 tools', () => {
  let cluster: MillraceCluster
  let client: ClusterClient
  let shell: ToolShell
  const folder = mkdtempSync(join(tmpdir(), 'millrace-log-dirs-'))
  beforeAll(async () => {
    shell = new ToolShell()
    cluster = await startWithDisks(2, 3, {
      'auto.leader.rebalance.enable': 'false',
      'zookeeper.session.timeout.ms': '3000',
      'min.insync.replicas': '1',
    })
    client = new ClusterClient(() =>
      cluster.ports.map((port, i) => ({ id: i + 1, port, isRunning: !cluster.processes[i]!.exited })),
    )
  })
  afterAll(async () => {
    await shell?.close()
    await client?.close()
    await cluster?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const disk = (id: number, number: number): string => join(cluster.logDirs[id - 1]!, `disk-${number}`)

  const tool = async (mainClass: string, ...args: string[]): Promise<string[]> => {
    const outcome = await shell.run(mainClass, ['--bootstrap-server', cluster.bootstrap, ...args])
    if (outcome.code !== 0) throw new Error(`${args.join(' ')}: ended with ${outcome.code}\n${outcome.output}`)
    return outcome.output.split('\n').filter(line => line !== '')
  }

  /** A file of `kafka-reassign-partitions` for partition 0 of a topic. */
  function plan(topic: string, replicas: readonly number[], logDirs: readonly string[]): string[] {
    const path = join(folder, `${topic}-${logDirs.join('').length}.json`)
    writeFileSync(
      path,
      JSON.stringify({ version: 1, partitions: [{ topic, partition: 0, replicas, log_dirs: logDirs }] }),
    )
    return ['--reassignment-json-file', path]
  }

  interface Replica {
    readonly where: string
    readonly size: number
    readonly offsetLag: number
    readonly isFuture: boolean
  }

  /** As `kafka-log-dirs` prints it: `broker disk`. */
  async function replicasOf(topic: string): Promise<Replica[]> {
    const lines = await tool(KafkaTool.logDirs, '--describe', '--topic-list', topic)
    interface Printed {
      readonly brokers: readonly {
        readonly broker: number
        readonly logDirs: readonly {
          readonly logDir: string
          readonly error: string | null
          readonly partitions: readonly {
            readonly size: number
            readonly offsetLag: number
            readonly isFuture: boolean
          }[]
        }[]
      }[]
    }
    const printed = JSON.parse(lines.at(-1)!) as Printed
    return printed.brokers.flatMap(({ broker, logDirs }) =>
      logDirs.flatMap(({ logDir, error, partitions }) => {
        expect(error).toBeNull()
        const where = `${broker} ${logDir.split('/').at(-1)}`
        return partitions.map(({ size, offsetLag, isFuture }) => ({ where, size, offsetLag, isFuture }))
      }),
    )
  }
  const places = async (topic: string): Promise<string[]> => (await replicasOf(topic)).map(({ where }) => where)

  async function create(topic: string, assignment: string, count: number, size: number): Promise<void> {
    await tool(KafkaTool.topics, '--create', '--topic', topic, '--replica-assignment', assignment)
    const value = 'x'.repeat(size)
    for (let i = 0; i < count; i++) await client.produceUntilAcked(topic, 0, [`${i} ${value}`], 10_000)
  }

  /** The number of the disk that has it. */
  const diskOf = (id: number, topic: string): number =>
    [0, 1, 2].findIndex(number => readdirSync(disk(id, number)).includes(`${topic}-0`))
  const nextDisk = (id: number, topic: string): number => (diskOf(id, topic) + 1) % 3

  test('kafka-reassign-partitions with log_dirs: leader and follower move, verified; kafka-log-dirs and the disks agree', async () => {
    await create('both', '1:2', 20, 1000)
    const targets = [1, 2].map(id => nextDisk(id, 'both'))
    const move = plan('both', [1, 2], [disk(1, targets[0]!), disk(2, targets[1]!)])
    const started = await tool(
      KafkaTool.reassign,
      ...move,
      '--execute',
      '--replica-alter-log-dirs-throttle',
      '50000000',
    )
    for (const id of [1, 2]) {
      const to = disk(id, targets[id - 1]!)
      expect(started).toContain(
        `Successfully started moving log directory to ${to} for replica both-0 with broker ${id} `,
      )
    }
    await eventually(async () => {
      const status = await tool(KafkaTool.reassign, ...move, '--verify')
      return [1, 2].every(id => status.includes(`Reassignment of replica both-0-${id} completed successfully.`))
    }, 30_000)
    expect(await replicasOf('both')).toEqual(
      [1, 2].map((id, index) => ({
        ...{ where: `${id} disk-${targets[index]}`, size: expect.any(Number), offsetLag: 0, isFuture: false },
      })),
    )
    expect([1, 2].map(id => diskOf(id, 'both'))).toEqual(targets)
    for (const id of ['1', '2']) {
      const configs = await tool(KafkaTool.configs, '--describe', '--entity-type', 'brokers', '--entity-name', id)
      expect(configs.join('\n')).not.toContain('alter.log.dirs')
    }
    expect(await client.readAll('both', 0)).toHaveLength(20)
    const file = join(disk(1, targets[0]!), 'both-0', '00000000000000000000.log')
    const dumped = await shell.run(KafkaTool.dumpLog, ['--deep-iteration', '--files', file])
    expect(dumped.code).toBe(0)
    expect(dumped.output.match(/^\| offset: /gm)).toHaveLength(20)
  })

  test('a slow one: in progress, a future replica with a lag; kill -9: goes on at the next start; faster: done', async () => {
    await create('slow', '1:2', 100, 50_000)
    const target = nextDisk(1, 'slow')
    const from = `1 disk-${diskOf(1, 'slow')}`
    const move = plan('slow', [1, 2], [disk(1, target), 'any'])
    await tool(KafkaTool.reassign, ...move, '--execute', '--replica-alter-log-dirs-throttle', '100000')
    const progress = async (): Promise<Replica> => {
      const replicas = await replicasOf('slow')
      expect(replicas.filter(({ isFuture }) => !isFuture).map(({ where }) => where)).toContain(from)
      const future = replicas.find(({ isFuture }) => isFuture)!
      expect(future.where).toBe(`1 disk-${target}`)
      return future
    }
    await eventually(async () => (await progress()).size > 0)
    const before = await progress()
    expect(before.offsetLag).toBeGreaterThan(0)
    expect(before.offsetLag).toBeLessThan(100)
    expect(await tool(KafkaTool.reassign, ...move, '--verify', '--preserve-throttles')).toContain(
      'Reassignment of replica slow-0-1 is still in progress.',
    )
    cluster.processes[0]!.kill('SIGKILL')
    await cluster.restart(0)
    await client.until('in sync', async () => (await client.partition('slow', 0)).inSyncReplicas.length === 2)
    await eventually(async () => (await progress()).size >= before.size)
    await client.produceUntilAcked('slow', 0, ['more'], 10_000)
    await tool(
      KafkaTool.reassign,
      ...move,
      '--execute',
      '--additional',
      '--replica-alter-log-dirs-throttle',
      '100000000',
    )
    await eventually(async () => {
      const status = await tool(KafkaTool.reassign, ...move, '--verify')
      return status.includes('Reassignment of replica slow-0-1 completed successfully.')
    }, 30_000)
    expect(await places('slow')).toEqual([`1 disk-${target}`, expect.stringMatching(/^2 /)])
    expect(await client.readAll('slow', 0)).toHaveLength(101)
  })

  test('a new replica on another broker, in a named directory', async () => {
    await create('comes', '1', 10, 1000)
    for (const number of [1, 2]) {
      const topic = number === 1 ? 'comes' : 'goes'
      if (topic === 'goes') await create('goes', '1', 10, 1000)
      const move = plan(topic, [1, 2], ['any', disk(2, number)])
      await tool(KafkaTool.reassign, ...move, '--execute')
      await eventually(async () => {
        const status = await tool(KafkaTool.reassign, ...move, '--verify')
        return status.includes(`Reassignment of replica ${topic}-0-2 completed successfully.`)
      }, 30_000)
      expect((await places(topic))[1]).toBe(`2 disk-${number}`)
    }
  })

  test('answers to one request after another: as a Kafka broker gives them', async () => {
    const zookeeper = cluster.zookeeper!.replace(/\/millrace$/, '/kafka')
    const kafkaDisks = [0, 1, 2].map(number => join(folder, `kafka-${number}`))
    const kafka: KafkaBroker = await startKafka({
      ...{ zookeeper, brokerId: 1, logDirs: join(folder, 'kafka') },
      properties: { 'log.dirs': kafkaDisks.join(), 'num.partitions': '1' },
    })
    const theirs = new ClusterClient(() => [{ id: 1, port: kafka.port, isRunning: true }])
    try {
      const ours = [0, 1, 2].map(number => disk(1, number))
      const answers = {
        kafka: await askAll(theirs, kafkaDisks),
        millrace: await askAll(client, ours),
      }
      expect(answers.millrace).toEqual(answers.kafka)
      expect(answers.kafka).toMatchSnapshot()
    } finally {
      await theirs.close()
      await kafka.stop()
    }
  })

  /** What a broker says to each of these, and where its replica is in the end. */
  async function askAll(to: ClusterClient, disks: readonly string[]): Promise<Record<string, string>> {
    const long = 'x'.repeat(214)
    await to.createTopic('asked', { assignments: [[1]] })
    await to.createTopic(long, { assignments: [[1]] })
    for (const topic of ['asked', long]) await to.produceUntilAcked(topic, 0, ['value'], 10_000)
    const describe = async (topic: string): Promise<{ readonly number: number; readonly isFutureKey: boolean }[]> => {
      const request = { topics: [{ topic, partitions: [0] }] }
      const { results } = await to.ask(1, describeLogDirsRequest, describeLogDirsResponse, request)
      return results.flatMap(({ logDir, topics }) =>
        topics.flatMap(({ partitions }) =>
          partitions.map(({ isFutureKey }) => ({ number: disks.indexOf(logDir), isFutureKey })),
        ),
      )
    }
    const [start] = await describe('asked')
    const other = (start!.number + 1) % 3
    const settled = async (number: number): Promise<void> => {
      await to.until(`on disk ${number}`, async () => {
        return JSON.stringify(await describe('asked')) === JSON.stringify([{ number, isFutureKey: false }])
      })
    }
    const ask = async (path: string, topic = 'asked', partition = 0): Promise<string> => {
      const request = { dirs: [{ path, topics: [{ name: topic, partitions: [partition] }] }] }
      const { results } = await to.ask(1, alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, request)
      return results
        .flatMap(({ topicName, partitions }) =>
          partitions.map(
            ({ partitionIndex, errorCode }) => `${topicName.slice(0, 10)}-${partitionIndex} ${errorName(errorCode)}`,
          ),
        )
        .join()
    }
    const answers: Record<string, string> = {}
    answers['where it is'] = await ask(disks[start!.number]!)
    answers['elsewhere'] = await ask(disks[other]!)
    await settled(other)
    answers['back'] = await ask(disks[start!.number]!)
    await settled(start!.number)
    answers['not in log.dirs'] = await ask('/nowhere')
    answers['no path'] = await ask('')
    answers['relative'] = await ask('disk-0')
    answers['with a slash'] = await ask(`${disks[other]!}/`)
    answers['unknown topic'] = await ask(disks[other]!, 'unknown')
    answers['unknown partition'] = await ask(disks[other]!, 'asked', 9)
    answers['negative partition'] = await ask(disks[other]!, 'asked', -1)
    answers['long name'] = await ask(disks[other]!, long)
    answers['long unknown name'] = await ask('/nowhere', `${long}y`)
    const empty = await to.ask(1, alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, { dirs: [] })
    answers['nothing'] = JSON.stringify(empty.results)
    return answers
  }
})
