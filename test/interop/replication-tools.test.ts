import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { partitionStateZnode, topicZnode } from '@millrace/broker/metadata/znodes'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { describeWith } from '../oracles/describe-with.ts'
import { javaSource, KafkaTool, toolJvm } from '../oracles/kafka.ts'
import { eventually, startProcess } from '../oracles/processes.ts'
import { startMillrace, type MillraceCluster } from './clusters.ts'
import { ToolShell } from './tool-shell.ts'

jest.setTimeout(120_000)

/** Kafka's tools on four brokers of ours; what they print is compared with what lies in ZooKeeper. */
describeWith(['kafka'], 'Kafka 3.9 tools on replicated topics', () => {
  let cluster: MillraceCluster
  let client: ClusterClient
  let shell: ToolShell
  let observer: Coordination
  const folder = mkdtempSync(join(tmpdir(), 'millrace-replication-tools-'))
  beforeAll(async () => {
    shell = new ToolShell()
    cluster = await startMillrace('ensemble', 4, {
      'auto.leader.rebalance.enable': 'false',
      'zookeeper.session.timeout.ms': '3000',
    })
    client = new ClusterClient(() =>
      cluster.ports.map((port, i) => ({ id: i + 1, port, isRunning: !cluster.processes[i]!.exited })),
    )
    observer = ensembleCoordination({
      ...{ servers: cluster.zookeeper!, sessionTimeoutMs: 20_000, connectionTimeoutMs: 20_000 },
      ...{ world: nodeWorld(), logger: silentLogger },
    })
    await observer.connect()
  })
  afterAll(async () => {
    await shell?.close()
    await client?.close()
    await observer?.close()
    await cluster?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** What the tool printed, line by line, without empty ones. */
  const tool = async (mainClass: string, args: readonly string[], code = 0): Promise<string[]> => {
    const outcome = await shell.run(mainClass, ['--bootstrap-server', cluster.bootstrap, ...args])
    if (outcome.code !== code) throw new Error(`${args.join(' ')}: ended with ${outcome.code}\n${outcome.output}`)
    return outcome.output.split('\n').filter(line => line !== '')
  }
  const jsonFile = (name: string, value: unknown): string => {
    const path = join(folder, name)
    writeFileSync(path, JSON.stringify(value))
    return path
  }
  const target = (name: string, moves: Readonly<Record<string, readonly number[]>>): string[] => {
    const partitions = Object.entries(moves).map(([topicPartition, replicas]) => {
      const [, topic, partition] = /^(.*)-(\d+)$/.exec(topicPartition)!
      return { topic, partition: Number(partition), replicas }
    })
    return ['--reassignment-json-file', jsonFile(name, { version: 1, partitions })]
  }

  /** `topic-partition leader / replicas / isr`, as in ZooKeeper. */
  async function inZooKeeper(topic: string): Promise<string[]> {
    const path = topicZnode.path(topic)
    const { partitions } = topicZnode.decode((await observer.get(path)).data, path)
    return Promise.all(
      [...partitions].map(async ([partition, replicas]) => {
        const statePath = partitionStateZnode.path(topic, partition)
        const { leader, inSyncReplicas } = partitionStateZnode.decode((await observer.get(statePath)).data, statePath)
        return `${topic}-${partition} ${leader < 0 ? 'none' : leader} / ${replicas.join()} / ${inSyncReplicas.join()}`
      }),
    )
  }
  const asDescribed = (lines: readonly string[]): string[] =>
    lines.flatMap(line => {
      const found = /^\tTopic: (\S+)\tPartition: (\d+)\tLeader: (\S+)\tReplicas: (\S*)\tIsr: (\S*)\t/.exec(line)
      return found === null ? [] : [`${found[1]}-${found[2]} ${found[3]} / ${found[4]} / ${found[5]}`]
    })
  const described = async (...args: string[]): Promise<string[]> =>
    asDescribed(await tool(KafkaTool.topics, ['--describe', ...args]))
  const problems = async (topic: string): Promise<Record<string, string[]>> => {
    const of = async (which: string): Promise<string[]> =>
      (await described('--topic', topic, `--${which}`)).map(line => line.split(' ')[0]!)
    return {
      'under-replicated': await of('under-replicated-partitions'),
      unavailable: await of('unavailable-partitions'),
      'under min ISR': await of('under-min-isr-partitions'),
      'at min ISR': await of('at-min-isr-partitions'),
    }
  }
  const fill = async (topic: string, partition: number, count: number, size: number): Promise<void> => {
    const value = 'x'.repeat(size)
    for (let i = 0; i < count; i++) await client.produceUntilAcked(topic, partition, [`${i} ${value}`], 10_000)
  }
  const kill = async (id: number): Promise<void> => {
    cluster.processes[id - 1]!.kill('SIGKILL')
    await cluster.processes[id - 1]!.ended()
  }

  test('AdminClient: reassignments, elections, partitions with replicas: every check passes', async () => {
    const file = join(import.meta.dirname, 'java', 'ReplicationAdmin.java')
    const { stdout, stderr } = await javaSource(file, [cluster.bootstrap], { allowFailure: true })
    const lines = stdout.toString().trim().split('\n')
    expect({ failed: lines.filter(line => !line.startsWith('ok ')), stderr }).toEqual({
      failed: ['all ok'],
      stderr: '',
    })
  })

  test('kafka-topics --describe: leaders, replicas and in-sync replicas are those in ZooKeeper; nothing is wrong', async () => {
    await tool(KafkaTool.topics, ['--create', '--topic', 'four', '--partitions', '4', '--replication-factor', '3'])
    const found = await described('--topic', 'four')
    expect(found).toHaveLength(4)
    expect(found).toEqual(await inZooKeeper('four'))
    expect(Object.values(await problems('four')).flat()).toEqual([])
  })

  test('kafka-reassign-partitions: a plan is made, carried out under a throttle, verified, and leaves no throttle', async () => {
    await tool(KafkaTool.topics, ['--create', '--topic', 'moved', '--replica-assignment', '1:2:3,2:3:1'])
    await fill('moved', 0, 20, 1000)
    const topics = jsonFile('topics.json', { version: 1, topics: [{ topic: 'moved' }] })
    const plan = await tool(KafkaTool.reassign, [
      '--topics-to-move-json-file',
      topics,
      '--broker-list',
      '2,3,4',
      '--generate',
    ])
    const json = JSON.parse(plan.at(-1)!) as { partitions: { partition: number; replicas: number[] }[] }
    expect(json.partitions.map(({ replicas }) => replicas.toSorted((one, other) => one - other))).toEqual([
      [2, 3, 4],
      [2, 3, 4],
    ])
    const file = jsonFile('generated.json', json)
    const started = await tool(KafkaTool.reassign, [
      '--reassignment-json-file',
      file,
      '--execute',
      '--throttle',
      '50000000',
    ])
    expect(started.at(-1)).toBe('Successfully started partition reassignments for moved-0,moved-1')
    await eventually(async () => {
      const status = await tool(KafkaTool.reassign, ['--reassignment-json-file', file, '--verify'])
      return status.filter(line => line.endsWith('is completed.')).length === 2
    })
    const replicasOf = (lines: readonly string[]): string[] => lines.map(line => line.split(' / ')[1]!)
    expect(replicasOf(await inZooKeeper('moved'))).toEqual(json.partitions.map(({ replicas }) => replicas.join()))
    await client.until('folders removed', async () => !existsSync(join(cluster.logDirs[0]!, 'moved-0')))
    for (const entity of [
      ['brokers', '1'],
      ['brokers', '4'],
      ['topics', 'moved'],
    ] as const) {
      const configs = await tool(KafkaTool.configs, [
        '--describe',
        '--entity-type',
        entity[0],
        '--entity-name',
        entity[1],
      ])
      expect(configs.join('\n')).not.toContain('throttled')
    }
    expect(await client.readAll('moved', 0)).toHaveLength(20)
  })

  test('kafka-reassign-partitions: a slow one is listed, in progress, throttled as asked; cancelled, it leaves nothing', async () => {
    await tool(KafkaTool.topics, ['--create', '--topic', 'slow', '--replica-assignment', '1:2'])
    await fill('slow', 0, 40, 100_000)
    const move = target('slow.json', { 'slow-0': [2, 3, 4] })
    await tool(KafkaTool.reassign, [...move, '--execute', '--throttle', '100000'])
    expect(await tool(KafkaTool.reassign, ['--list'])).toEqual([
      'Current partition reassignments:',
      'slow-0: replicas: 2,3,4,1. adding: 3,4. removing: 1.',
    ])
    expect(await tool(KafkaTool.reassign, [...move, '--verify'])).toContain(
      'Reassignment of partition slow-0 is still in progress.',
    )
    const throttle = async (type: string, name: string): Promise<string> =>
      (await tool(KafkaTool.configs, ['--describe', '--entity-type', type, '--entity-name', name])).join('\n')
    expect(await throttle('brokers', '1')).toContain('leader.replication.throttled.rate=100000 ')
    expect(await throttle('brokers', '4')).toContain('follower.replication.throttled.rate=100000 ')
    expect(await throttle('topics', 'slow')).toContain('follower.replication.throttled.replicas=0:3,0:4 ')
    expect(await throttle('topics', 'slow')).toContain('leader.replication.throttled.replicas=0:1,0:2 ')
    // 4 MB at 100 kB/s take 40 s. Replicas that are being added are not missed yet.
    expect(Object.values(await problems('slow')).flat()).toEqual([])
    expect(await described('--topic', 'slow')).toEqual(['slow-0 1 / 2,3,4,1 / 1,2'])
    expect(await tool(KafkaTool.reassign, [...move, '--cancel'])).toContain(
      'Successfully cancelled partition reassignment for: slow-0',
    )
    expect(await tool(KafkaTool.reassign, ['--list'])).toEqual(['No partition reassignments found.'])
    expect(await inZooKeeper('slow')).toEqual(['slow-0 1 / 2,1 / 1,2'])
    expect(await described('--topic', 'slow')).toEqual(['slow-0 1 / 2,1 / 1,2'])
    for (const id of [3, 4]) {
      await client.until('folder removed', async () => !existsSync(join(cluster.logDirs[id - 1]!, 'slow-0')))
    }
    expect(await throttle('topics', 'slow')).not.toContain('throttled')
    expect(await client.readAll('slow', 0)).toHaveLength(40)
  })

  test('kafka-leader-election: preferred, from a file; then there is nothing to do', async () => {
    const file = jsonFile('preferred.json', { partitions: [{ topic: 'slow', partition: 0 }] })
    const elect = ['--election-type', 'preferred', '--path-to-json-file', file]
    expect(await tool(KafkaTool.leaderElection, elect)).toEqual([
      'Successfully completed leader election (PREFERRED) for partitions slow-0',
    ])
    expect(await inZooKeeper('slow')).toEqual(['slow-0 2 / 2,1 / 1,2'])
    expect(await tool(KafkaTool.leaderElection, elect)).toEqual(['Valid replica already elected for partitions slow-0'])
  })

  test('kafka-replica-verification: all replicas hold the same, without lag', async () => {
    await fill('four', 1, 50, 500)
    const options = ['--broker-list', cluster.bootstrap, '--topics-include', 'four|slow|moved']
    const verification = startProcess({
      name: 'kafka-replica-verification',
      command: 'java',
      args: [...toolJvm(), KafkaTool.replicaVerification, ...options, '--report-interval-ms', '500'],
    })
    try {
      await eventually(
        async () => /max lag is 0 for partition .* among 7 partitions/.test(verification.output()),
        30_000,
      )
      expect(verification.output()).not.toMatch(/mismatch|unmatched|Exception/i)
    } finally {
      verification.kill('SIGKILL')
      await verification.ended()
    }
  })

  test('brokers are lost: under-replicated, at and under min ISR, unavailable, each as it is', async () => {
    const config = ['--config', 'min.insync.replicas=2']
    await tool(KafkaTool.topics, ['--create', '--topic', 'lossy', '--replica-assignment', '1:3:4,3:4:1', ...config])
    await tool(KafkaTool.topics, ['--create', '--topic', 'pair', '--replica-assignment', '3:4,1:2', ...config])
    await fill('pair', 0, 3, 10)
    const both = async (): Promise<Record<string, string[]>> => {
      const [lossy, pair] = [await problems('lossy'), await problems('pair')]
      return Object.fromEntries(Object.entries(lossy).map(([kind, found]) => [kind, [...found, ...pair[kind]!]]))
    }
    expect(await both()).toEqual({
      ...{ 'under-replicated': [], unavailable: [], 'under min ISR': [], 'at min ISR': ['pair-0', 'pair-1'] },
    })
    await kill(4)
    await client.until('without 4', async () => (await client.partition('pair', 0)).inSyncReplicas.join() === '3')
    await client.until('without 4', async () => (await client.partition('lossy', 0)).inSyncReplicas.length === 2)
    expect(await both()).toEqual({
      'under-replicated': ['lossy-0', 'lossy-1', 'pair-0'],
      unavailable: [],
      'under min ISR': ['pair-0'],
      'at min ISR': ['lossy-0', 'lossy-1', 'pair-1'],
    })
    expect((await client.produce('pair', 0, ['only on 3'], { acks: 1 })).errorCode).toBe(0)
    await kill(3)
    await client.until('without 3', async () => (await client.partition('pair', 0)).leader === -1)
    await client.until('without 3', async () => (await client.partition('lossy', 1)).leader === 1)
    expect(await both()).toEqual({
      'under-replicated': ['lossy-0', 'lossy-1', 'pair-0'],
      unavailable: ['pair-0'],
      'under min ISR': ['lossy-0', 'lossy-1', 'pair-0'],
      'at min ISR': ['pair-1'],
    })
    for (const topic of ['lossy', 'pair']) {
      expect(await described('--topic', topic)).toEqual(await inZooKeeper(topic))
    }
  })

  test('kafka-leader-election: unclean: a replica that is behind leads, and what only the lost one had is gone', async () => {
    expect(cluster.processes[3]!.exited).toBe(true)
    await cluster.restart(3)
    expect(await described('--topic', 'pair', '--unavailable-partitions')).toEqual(['pair-0 none / 3,4 / 3'])
    const one = ['--topic', 'pair', '--partition', '0']
    const refused = await tool(KafkaTool.leaderElection, ['--election-type', 'preferred', ...one], 1)
    expect(refused.join('\n')).toContain('PreferredLeaderNotAvailableException')
    // A session timeout after the last broker was given up early, and not before.
    let elected: readonly string[] = []
    await eventually(async () => {
      const args = ['--bootstrap-server', cluster.bootstrap, '--election-type', 'unclean', ...one]
      const { output } = await shell.run(KafkaTool.leaderElection, args)
      elected = output.split('\n')
      return !output.includes('EligibleLeadersNotAvailableException')
    })
    expect(elected).toContain('Successfully completed leader election (UNCLEAN) for partitions pair-0')
    expect(await inZooKeeper('pair')).toContain('pair-0 4 / 3,4 / 4')
    await cluster.restart(2)
    await eventually(async () => (await described('--under-replicated-partitions')).length === 0, 20_000)
    expect(await inZooKeeper('pair')).toContain('pair-0 4 / 3,4 / 4,3')
    expect((await client.readAll('pair', 0)).map(({ value }) => value)).not.toContain('only on 3')
  })
})
