import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { errorName } from '@millrace/protocol/errors'
import { coordinatorPartition } from '@millrace/protocol/java-hash'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { deleteGroupsRequest, deleteGroupsResponse } from '@millrace/protocol/messages/42-delete-groups'
import { emptyOf } from '@millrace/protocol/schema'
import { describeWith } from '../oracles/describe-with.ts'
import { KafkaTool } from '../oracles/kafka.ts'
import { eventually } from '../oracles/processes.ts'
import { FolderBroker } from './folder-broker.ts'
import { JavaClients, PythonMember } from './group-clients.ts'
import { coordinatorOf, groupsOf, type GroupSnapshot } from './group-snapshot.ts'
import { dumpedRecords, KeyedTopic } from './keyed-topic.ts'
import { ToolShell } from './tool-shell.ts'

/*
 * One folder, one port, one ZooKeeper: a Kafka 3.9.1 broker, then ours, then Kafka's, then ours again. Each goes on with what the other left: groups
 * and their offsets, open transactions, compacted logs and how far they are compacted. Clients that are there all the time notice a broker that was away.
 */

jest.setTimeout(180_000)

const work = 'work'
const workPartitions = 4
/** Members outlive the change of broker, so that whoever takes over finds them, in the same generation. */
const sessionMs = 40_000
const settings = {
  'group.initial.rebalance.delay.ms': '0',
  'offsets.topic.num.partitions': '2',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.segment.bytes': '2000',
  'offsets.topic.compression.codec': '3',
  'offsets.retention.check.interval.ms': '300',
  'log.cleaner.backoff.ms': '100',
  'log.cleaner.dedupe.buffer.size': '2200000',
  'log.cleaner.min.cleanable.ratio': '0.01',
  'log.initial.task.delay.ms': '300',
}
const compacted = {
  'cleanup.policy': 'compact',
  'segment.bytes': '5000',
  'index.interval.bytes': '500',
  'min.cleanable.dirty.ratio': '0.01',
  'delete.retention.ms': '86400000',
}

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
/** What kcat writes them with. */
const producers: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(codecs.map(codec => [`keyed-${codec}`, ['-z', codec]])),
  'keyed-idempotent': ['-z', 'lz4', '-X', 'enable.idempotence=true'],
}
const topics = Object.keys(producers).map(name => new KeyedTopic(name))
/** What is left of its batches is compressed in slices. */
const large = new KeyedTopic('keyed-large')
const largeProducer = ['-z', 'gzip', '-X', 'linger.ms=200']
const transactional = new KeyedTopic('keyed-transactional')

/** The first such group whose offsets lie in this partition of __consumer_offsets. */
function groupIn(partition: number, name: string): string {
  for (let number = 0; ; number++) {
    if (coordinatorPartition(`${name}-${number}`, 2) === partition) return `${name}-${number}`
  }
}
const javaGroup = groupIn(0, 'java')
const pythonGroup = groupIn(0, 'python')
/** An open transaction keeps its partition from being compacted: one of its own. */
const transactionGroup = groupIn(1, 'transactions')

describeWith(['kafka', 'kcat', 'confluent'], 'one folder, Kafka and Millrace in turn', () => {
  let broker: FolderBroker
  let java: JavaClients
  let python: PythonMember
  let shell: ToolShell
  /** As the last broker left them. */
  let groups: Map<string, GroupSnapshot>
  let described: string
  let workWritten = 0

  beforeAll(async () => {
    shell = new ToolShell()
    broker = await FolderBroker.create(settings)
    await broker.start('kafka')
    java = new JavaClients(broker.bootstrap)
    const { client } = broker
    await client.until('a controller', async () => (await client.metadata(null)).controllerId === 1, 20_000)
    await client.createTopic(work, { partitions: workPartitions, replicas: 1 })
    await client.createTopic(large.name, { replicas: 1, configs: { ...compacted, 'segment.bytes': '300000' } })
    for (const { name } of [...topics, transactional])
      await client.createTopic(name, { replicas: 1, configs: compacted })
    await client.until('a coordinator', async () => (await coordinatorOf(client, javaGroup, 1)) === 1, 30_000)
  })
  afterAll(async () => {
    await java?.kill()
    await python?.stop()
    await shell?.close()
    await broker?.close()
  })

  /** To all partitions; every member must get each of them, once. */
  async function atWork(): Promise<void> {
    for (let round = 0; round < 6; round++) {
      for (let partition = 0; partition < workPartitions; partition++) {
        await broker.client.produceUntilAcked(work, partition, [`${round}`], 10_000)
      }
      workWritten++
    }
    const all = (records: readonly unknown[]): boolean => records.length >= workWritten * workPartitions
    await eventually(async () => all(java.records(javaGroup)) && all(python.records()), 40_000).catch(error => {
      throw new Error(`${java.records(javaGroup).length} ${python.output()}\n${broker.output()}`, { cause: error })
    })
    const expected = Array.from({ length: workPartitions }, (_, partition) =>
      Array.from({ length: workWritten }, (_, offset) => `${partition} ${offset}`),
    ).flat()
    for (const records of [java.records(javaGroup), python.records()]) {
      expect(records.map(({ partition, offset }) => `${partition} ${offset}`).sort()).toEqual([...expected].sort())
    }
    expect(java.complaints()).toEqual([])
  }

  /** Groups of all kinds, made under one product. */
  async function makeGroups(by: string): Promise<void> {
    const { client } = broker
    const commit = async (groupId: string, retentionTimeMs: number): Promise<void> => {
      const partition = { partitionIndex: 1, committedOffset: 2, committedLeaderEpoch: -1, commitTimestamp: -1 }
      const request = {
        ...emptyOf(offsetCommitRequest),
        ...{ groupId, generationIdOrMemberEpoch: -1, memberId: '', retentionTimeMs },
        topics: [{ name: work, partitions: [{ ...partition, committedMetadata: 'of an old client' }] }],
      }
      const answer = await client.ask(1, offsetCommitRequest, offsetCommitResponse, request, 2)
      expect(errorName(answer.topics[0]!.partitions[0]!.errorCode)).toBe('NONE')
    }
    const commits = Array.from({ length: 30 }, (_, round) => [
      java.run(`commit ${by}-plain ${work} ${round % 2} ${round} round-${round}`),
      java.run(`commit ${groupIn(1, by)} ${work} 0 ${round} round-${round}`),
    ])
    await Promise.all(commits.flat())
    await java.run(`commit ${by}-deleted ${work} 0 1 soon-gone`)
    const deletion = { groupsNames: [`${by}-deleted`] }
    const { results } = await client.ask(1, deleteGroupsRequest, deleteGroupsResponse, deletion)
    expect(errorName(results[0]!.errorCode)).toBe('NONE')
    await commit(`${by}-lasting`, 86_400_000)
    await commit(`${by}-expired`, 1)
    await client.until('expired', async () => !(await groupsOf(client, [1])).has(`${by}-expired`), 10_000)
  }

  /** What kafka-consumer-groups prints, in an order of its own each time. */
  async function tool(...args: string[]): Promise<string> {
    const { code, output } = await shell.run(KafkaTool.groups, ['--bootstrap-server', broker.bootstrap, ...args])
    if (code !== 0) throw new Error(output)
    return output
      .split('\n')
      .map(line => line.replace(/\s+/g, ' ').trim())
      .filter(line => line !== '')
      .sort()
      .join('\n')
  }
  const describeAll = async (): Promise<string> =>
    [
      await tool('--describe', '--all-groups'),
      await tool('--describe', '--all-groups', '--members', '--verbose'),
      await tool('--describe', '--all-groups', '--state'),
    ].join('\n\n')

  /** Members do not move from here on until the next broker has told what it knows: one of Kafka's shows them no topics at first, and they join again. */
  async function rememberGroups(): Promise<void> {
    java.pause()
    python.pause()
    groups = await groupsOf(broker.client, [1])
    described = await describeAll()
  }
  async function expectSameGroups(): Promise<void> {
    let found = new Map<string, GroupSnapshot>()
    await broker.client.until(
      'loaded',
      async () => {
        found = await groupsOf(broker.client, [1])
        return (await coordinatorOf(broker.client, javaGroup, 1)) === 1 && found.size > 0
      },
      30_000,
    )
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(groups))
    expect(await describeAll()).toBe(described)
    java.goOn()
    python.goOn()
  }

  const memberIdsIn = (found: ReadonlyMap<string, GroupSnapshot>): string[] =>
    [javaGroup, pythonGroup].flatMap(group => found.get(group)!.members.map(member => member.split(' ')[0]!))
  /** Nobody was thrown out: who joins again keeps its id. */
  async function memberIds(): Promise<string[]> {
    return memberIdsIn(await groupsOf(broker.client, [1]))
  }

  async function writeKeyed(): Promise<void> {
    await Promise.all([
      ...topics.map(topic => topic.write(broker.bootstrap, 400, producers[topic.name]!)),
      large.write(broker.bootstrap, 800, largeProducer, { batchRecords: 400, moreValueBytes: 300, keys: 350 }),
    ])
    for (const { name, records } of [...topics, large])
      expect(await broker.client.endOffset(name, 0)).toBe(records.length)
  }
  /** Of two producers, every third transaction is aborted. */
  async function writeTransactions(): Promise<void> {
    for (let transaction = 0; transaction < 24; transaction++) {
      const isAborted = transaction % 3 === 2
      const id = `writer-${transaction % 2}`
      const begun = java.run(`begin ${id}`)
      const sent = Array.from({ length: 9 }, async (_, index) => {
        const key = `key-${(transaction * 5 + index * 3) % 23}`
        const value = index === 4 ? null : `${transaction}-${index}-${'v'.repeat(60)}`
        const offset = Number(await java.run(`send ${id} ${transactional.name} ${key} ${value ?? '-'}`))
        transactional.add({ offset, key, value }, isAborted)
      })
      await Promise.all([begun, ...sent, java.run(`${isAborted ? 'abort' : 'end'} ${id}`)])
    }
  }
  const keyed = [...topics, large, transactional]
  const isCompacted = ({ name }: KeyedTopic): boolean => broker.isCleaned(`${name}-0`)
  /** Consumers see of each key what compaction has to leave, with its offset, and nothing else. */
  async function expectKeyed(): Promise<void> {
    await Promise.all(
      keyed.map(async topic => {
        const { name } = topic
        const cleaned = broker.cleaned().get(`${name}-0`) ?? 0
        const records = topic.left(cleaned, 'hidden')
        expect({ name, records: await topic.read(broker.bootstrap) }).toEqual({ name, records })
      }),
    )
  }
  const untilCompacted = (): Promise<void> =>
    eventually(async () => keyed.every(isCompacted), 30_000).catch(error => {
      const open = keyed.filter(topic => !isCompacted(topic)).map(({ name }) => name)
      throw new Error(`${open.join()} of ${JSON.stringify([...broker.cleaned()])}\n${broker.output()}`, {
        cause: error,
      })
    })
  const offsetsCleaned = (): number => broker.cleaned().get('__consumer_offsets-0') ?? 0

  test('Kafka: groups with members, commits, transactions, expired and deleted offsets; compacted logs', async () => {
    await java.run(`member ${javaGroup} ${work} instance-1 ${sessionMs}`)
    python = new PythonMember(broker.bootstrap, work, pythonGroup, sessionMs)
    await atWork()
    await makeGroups('kafka')
    await writeKeyed()
    await writeTransactions()
    const offsets = async (id: string, partition: number, offset: number): Promise<void> => {
      await java.run(`begin ${id}`)
      await java.run(`offsets ${id} ${transactionGroup} ${work} ${partition} ${offset}`)
    }
    await offsets('committed', 0, 5)
    await java.run('end committed')
    await offsets('aborted', 0, 6)
    await java.run('abort aborted')
    await java.run(`commit ${transactionGroup} ${work} 1 1 plain`)
    await java.run(`commit ${transactionGroup} ${work} 2 1 plain`)
    await offsets('open-1', 1, 4)
    await offsets('open-2', 2, 4)
    await offsets('open-3', 3, 4)
    // Newer than what the open transaction wrote there.
    await java.run(`commit ${transactionGroup} ${work} 2 3 newer`)
    await untilCompacted()
    await eventually(async () => offsetsCleaned() > 0)
    await rememberGroups()
    expect([...groups.keys()].sort()).toEqual(
      [javaGroup, pythonGroup, transactionGroup, 'kafka-plain', groupIn(1, 'kafka'), 'kafka-lasting'].sort(),
    )
    expect([groups.get(javaGroup)?.state, groups.get(pythonGroup)?.state]).toEqual(['Stable', 'Stable'])
    expect(groups.get(transactionGroup)).toMatchObject({
      offsets: { 'work-0': { offset: 5, metadata: 'of-committed' }, 'work-1': { offset: 1 }, 'work-2': { offset: 3 } },
      stableOffsets: { 'work-0': { offset: 5 }, 'work-1': { error: 'UNSTABLE_OFFSET_COMMIT' } },
    })
    await expectKeyed()
    await broker.stop()
  })

  test('Millrace takes over: the same groups, members, offsets and open transactions; members go on', async () => {
    await broker.start('millrace')
    await expectSameGroups()
    await atWork()
    expect(await memberIds()).toEqual(memberIdsIn(groups))
  })

  test('Millrace goes on compacting what Kafka compacted, from where Kafka was', async () => {
    const before = new Map(broker.cleaned())
    await expectKeyed()
    await makeGroups('millrace')
    await writeKeyed()
    await untilCompacted()
    await eventually(async () => offsetsCleaned() > before.get('__consumer_offsets-0')!)
    await expectKeyed()
    for (const { name } of [...topics, large]) {
      const isIt = (line: string): boolean => line.includes('"log compacted"') && line.includes(`"topic":"${name}"`)
      const first = broker.output().split('\n').find(isIt)
      expect({ name, first }).toMatchObject({
        first: expect.stringContaining(`"firstDirtyOffset":${before.get(`${name}-0`) ?? 0}`),
      })
    }
    await rememberGroups()
    await broker.stop()
  })

  const complaints = /mismatch|Found|not valid|isvalid: false|Exception|could not|corrupt/i
  async function dump(...args: readonly string[]): Promise<string[]> {
    const { code, output } = await shell.run(KafkaTool.dumpLog, args)
    // The tool counts the time of an emptied batch, which only keeps what is known of a producer, as none; Kafka's cleaner leaves the same.
    const said = output.replace(/Found timestamp mismatch in .*\n(\s+Index timestamp: \d+, log timestamp: -1\n)+/g, '')
    expect({ code, complaints: said.split('\n').filter(line => complaints.test(line)), args }).toEqual({
      ...{ code: 0, complaints: [], args },
    })
    return output.split('\n')
  }

  /** Reads the folder as a stopped broker left it. */
  async function expectDumped(): Promise<void> {
    for (const topic of keyed) {
      const partition = `${topic.name}-0`
      const folder = join(broker.folder, partition)
      const ending = (pattern: RegExp): string =>
        readdirSync(folder)
          .filter(name => pattern.test(name))
          .sort()
          .map(name => join(folder, name))
          .join(',')
      const lines = await dump('--deep-iteration', '--print-data-log', '--files', ending(/\.log$/))
      const records = topic.left(broker.cleaned().get(partition)!, 'shown')
      expect({ partition, records: dumpedRecords(lines) }).toEqual({ partition, records })
      const shows = (what: RegExp): boolean => lines.some(line => what.test(line))
      if (topic === transactional) {
        expect([shows(/isControl: true/), shows(/endTxnMarker: COMMIT/)]).toEqual([true, true])
      } else expect(shows(new RegExp(`compresscodec: ${producers[topic.name]?.[1] ?? 'gzip'} `))).toBe(true)
      await dump('--index-sanity-check', '--files', ending(/\.index$/))
      await dump('--verify-index-only', '--files', ending(/\.(index|timeindex)$/))
      await dump('--files', ending(/\.(snapshot|txnindex)$/))
    }
    const offsets = join(broker.folder, '__consumer_offsets-0')
    const segments = readdirSync(offsets).filter(name => name.endsWith('.log'))
    const files = segments.map(name => join(offsets, name)).join(',')
    const lines = await dump('--offsets-decoder', '--deep-iteration', '--files', files)
    expect(lines.some(line => line.includes(javaGroup))).toBe(true)
  }

  test('kafka-dump-log reads what Millrace compacted without complaint, and shows what must be left', () =>
    expectDumped())

  test('Kafka takes over: the same groups; members go on; a transaction that was open all the time is committed', async () => {
    await broker.start('kafka')
    await expectSameGroups()
    await atWork()
    expect(await memberIds()).toEqual(memberIdsIn(groups))
    await java.run('end open-1')
    await java.run('end open-2')
    await java.run('abort open-3')
    const offsets = { 'work-0': { offset: 5 }, 'work-1': { offset: 4 }, 'work-2': { offset: 3, metadata: 'newer' } }
    await broker.client.until('committed', async () => {
      const { stableOffsets } = (await groupsOf(broker.client, [1])).get(transactionGroup)!
      return Object.values(stableOffsets).every(({ error }) => error === 'NONE')
    })
    expect((await groupsOf(broker.client, [1])).get(transactionGroup)).toMatchObject({
      offsets,
      stableOffsets: offsets,
    })
  })

  test('Kafka goes on compacting what Millrace compacted, from where Millrace was', async () => {
    const before = new Map(broker.cleaned())
    await expectKeyed()
    await writeKeyed()
    await writeTransactions()
    await untilCompacted()
    await expectKeyed()
    for (const { name } of keyed) {
      const first = new RegExp(`Building offset map for log ${name}-0 .*`).exec(broker.output())?.[0]
      expect({ name, first }).toMatchObject({ first: expect.stringContaining(`[${before.get(`${name}-0`) ?? 0},`) })
    }
    expect(broker.output()).not.toMatch(/ ERROR |uncleanable|corrupt/i)
    await rememberGroups()
    await broker.stop()
    await expectDumped()
  })

  test('Millrace takes over again: the same groups and records, and members leave it in the end', async () => {
    await broker.start('millrace')
    await expectSameGroups()
    await expectKeyed()
    await atWork()
    await java.stop()
    await python.stop()
    expect((await groupsOf(broker.client, [1])).get(pythonGroup)?.state).toBe('Empty')
  })
})
