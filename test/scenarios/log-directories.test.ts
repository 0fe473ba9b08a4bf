import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import {
  alterReplicaLogDirsRequest,
  alterReplicaLogDirsResponse,
} from '@millrace/protocol/messages/34-alter-replica-log-dirs'
import { describeLogDirsRequest, describeLogDirsResponse } from '@millrace/protocol/messages/35-describe-log-dirs'
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from '@millrace/protocol/messages/45-alter-partition-reassignments'
import { emptyOf } from '@millrace/protocol/schema'
import { startCluster, type Cluster, type ClusterBroker } from '@millrace/testing/cluster/cluster'
import { FailingDisks } from '@millrace/testing/faults/failing-disks'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'

// Three brokers with three disks each: replicas move between them, and disks die. Sockets, files and time are real.

let cluster: Cluster
let client: ClusterClient
const disks = new Map<number, FailingDisks>()

beforeAll(async () => {
  cluster = await startCluster({
    logDirs: 3,
    properties: {
      'auto.leader.rebalance.enable': 'false',
      'zookeeper.session.timeout.ms': '2000',
      'replica.fetch.wait.max.ms': '50',
      'log.segment.bytes': '100000',
    },
    filesOf: (id, files) => {
      const known = disks.get(id) ?? new FailingDisks(files)
      disks.set(id, known)
      return known
    },
  })
  client = new ClusterClient(() => cluster.brokers)
}, 30_000)

afterAll(async () => {
  await client.close()
  await cluster.close()
}, 30_000)

const broker = (id: number): ClusterBroker => cluster.brokers.find(each => each.id === id)!

/** Which of the broker's disks has the replica, and no other; -1: none has. */
function diskOf(id: number, topic: string, partition = 0): number {
  const holding = broker(id).logDirs.map(folder => existsSync(join(folder, `${topic}-${partition}`)))
  expect(holding.filter(Boolean).length).toBeLessThan(2)
  return holding.indexOf(true)
}

async function move(id: number, disk: number, topic: string, partition = 0): Promise<void> {
  const path = broker(id).logDirs[disk]!
  const request = { dirs: [{ path, topics: [{ name: topic, partitions: [partition] }] }] }
  const { results } = await client.ask(id, alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, request)
  const errorCode = results[0]!.partitions[0]!.errorCode
  if (errorCode !== 0) throw new Error(errorName(errorCode))
}

/** Folder names of one topic on all disks of a broker; the digits left out. */
function folders(id: number, topic: string): string[] {
  return broker(id)
    .logDirs.flatMap((path, disk) => readdirSync(path).map(name => `${disk}/${name.replace(/[0-9a-f]{32}/, 'HEX')}`))
    .filter(name => name.includes(`/${topic}-`))
}

function logBytes(id: number, topic: string): Buffer {
  const folder = join(broker(id).logDirs[diskOf(id, topic)]!, `${topic}-0`)
  const names = readdirSync(folder).filter(name => name.endsWith('.log'))
  return Buffer.concat(names.sort().map(name => readFileSync(join(folder, name))))
}

const isInSync = (topic: string, count: number, partition = 0): Promise<void> =>
  client.until(`${count} in-sync replicas of ${topic}-${partition}`, async () => {
    return (await client.partition(topic, partition)).inSyncReplicas.length === count
  })

/** Produces to all partitions until it is told to stop: what was acknowledged, by partition. */
class Load {
  readonly acked: string[][]
  private isOver = false
  private readonly running: Promise<void>[]

  constructor(topic: string, partitions: number) {
    this.acked = Array.from({ length: partitions }, () => [])
    this.running = this.acked.map(async (acked, partition) => {
      for (let index = 0; !this.isOver; index++) {
        const value = `${partition} ${index} ${'x'.repeat(500)}`
        await client.produceUntilAcked(topic, partition, [value], 20_000)
        acked.push(value)
      }
    })
  }

  /** Resolves when everybody has `count` more acknowledged. */
  async more(count: number): Promise<void> {
    const from = this.acked.map(({ length }) => length)
    await client.until(
      `${count} more`,
      () => Promise.resolve(this.acked.every(({ length }, i) => length >= from[i]! + count)),
      20_000,
    )
  }

  async stop(): Promise<void> {
    this.isOver = true
    await Promise.all(this.running)
  }

  /** What was acknowledged and cannot be read, or is out of order. */
  async lost(topic: string): Promise<string[]> {
    const lost: string[] = []
    for (const [partition, acked] of this.acked.entries()) {
      const read = (await client.readAll(topic, partition)).map(({ value }) => value)
      const firsts = acked.map(value => read.indexOf(value))
      const isInOrder = firsts.every((at, index) => index === 0 || at > firsts[index - 1]!)
      if (!isInOrder) lost.push(`${partition}: order`)
      lost.push(...acked.filter(value => !read.includes(value)).map(value => value.slice(0, 20)))
    }
    return lost
  }
}

describe('moves', () => {
  test('leader and followers move to other disks, again and again, under load: same bytes everywhere, nothing acknowledged is lost; the leader dies, and another has it all', async () => {
    await client.createTopic('travels', { assignments: [[1, 2, 3]], configs: { 'min.insync.replicas': '2' } })
    await isInSync('travels', 3)
    const load = new Load('travels', 1)
    for (let round = 0; round < 6; round++) {
      await load.more(20)
      const moved = [1, 2, 3].map(id => ({ id, disk: (diskOf(id, 'travels') + 1) % 3 }))
      await Promise.all(moved.map(({ id, disk }) => move(id, disk, 'travels')))
      await client.until('moved', () => Promise.resolve(moved.every(({ id, disk }) => diskOf(id, 'travels') === disk)))
    }
    expect((await client.partition('travels', 0)).leader).toBe(1)
    await broker(1).kill()
    await load.more(20)
    await broker(1).start()
    await isInSync('travels', 3)
    await load.stop()
    await client.until('identical', () => {
      const [one, two, three] = [1, 2, 3].map(id => logBytes(id, 'travels'))
      return Promise.resolve(one!.equals(two!) && two!.equals(three!))
    })
    expect(await load.lost('travels')).toEqual([])
  }, 60_000)

  test('killed in the middle of a move: it goes on at the next start', async () => {
    await client.createTopic('resumes', { assignments: [[2, 3]] })
    await isInSync('resumes', 2)
    const value = 'x'.repeat(50_000)
    for (let index = 0; index < 40; index++) await client.produceUntilAcked('resumes', 0, [`${index} ${value}`], 10_000)
    const disk = (diskOf(2, 'resumes') + 1) % 3
    await move(2, disk, 'resumes')
    await broker(2).kill()
    const before = folders(2, 'resumes').filter(name => !name.endsWith('-delete'))
    await broker(2).start()
    await client.until('moved', () => Promise.resolve(diskOf(2, 'resumes') === disk))
    await isInSync('resumes', 2)
    await client.until('one folder', () =>
      Promise.resolve(folders(2, 'resumes').every(name => name === `${disk}/resumes-0` || name.endsWith('-delete'))),
    )
    console.log(`killed when there was: ${before.join(', ')}`)
    expect(await client.readAll('resumes', 0)).toHaveLength(40)
  }, 60_000)

  test('a replica that comes to a broker: in the directory that was named before', async () => {
    await client.createTopic('named', { assignments: [[1]] })
    const path = broker(3).logDirs[2]!
    const request = { dirs: [{ path, topics: [{ name: 'named', partitions: [0] }] }] }
    const known = async (): Promise<boolean> => (await client.partition('named', 0, 3)).leader === 1
    await client.until('known to broker 3', known)
    const { results } = await client.ask(3, alterReplicaLogDirsRequest, alterReplicaLogDirsResponse, request)
    expect(errorName(results[0]!.partitions[0]!.errorCode)).toBe('REPLICA_NOT_AVAILABLE')
    const { controllerId } = await client.metadata(null)
    const answer = await client.ask(
      controllerId,
      alterPartitionReassignmentsRequest,
      alterPartitionReassignmentsResponse,
      {
        ...emptyOf(alterPartitionReassignmentsRequest),
        topics: [{ name: 'named', partitions: [{ partitionIndex: 0, replicas: [1, 3] }] }],
      },
    )
    expect(errorName(answer.responses[0]!.partitions[0]!.errorCode)).toBe('NONE')
    await isInSync('named', 2)
    expect(diskOf(3, 'named')).toBe(2)
  })
})

describe('disks that die', () => {
  test('one of three, under load: others lead what it held, the rest goes on, and it comes back whole', async () => {
    const partitions = 6
    const assignments = Array.from(
      { length: partitions },
      (_, i) =>
        [
          [1, 2, 3],
          [2, 3, 1],
          [3, 1, 2],
        ][i % 3]!,
    )
    await client.createTopic('dies', { assignments, configs: { 'min.insync.replicas': '2' } })
    for (let i = 0; i < partitions; i++) await isInSync('dies', 3, i)
    const load = new Load('dies', partitions)
    await load.more(10)
    const disk = diskOf(1, 'dies', 0)
    const held = Array.from({ length: partitions }, (_, i) => i).filter(i => diskOf(1, 'dies', i) === disk)
    expect(held.length).toBeLessThan(partitions)
    disks.get(1)!.fail(broker(1).logDirs[disk]!)
    const startMs = performance.now()
    await load.more(10)
    for (let i = 0; i < partitions; i++) await isInSync('dies', held.includes(i) ? 2 : 3, i)
    console.log(
      `a disk of a leader died: all partitions written to again after ${Math.round(performance.now() - startMs)} ms`,
    )
    await load.more(10)
    const { topics } = await client.metadata('dies', 2)
    for (const { partitionIndex, leaderId, offlineReplicas } of topics[0]!.partitions) {
      const isHeld = held.includes(partitionIndex)
      expect([partitionIndex, offlineReplicas]).toEqual([partitionIndex, isHeld ? [1] : []])
      expect(leaderId).toBe(isHeld && assignments[partitionIndex]![0] === 1 ? 2 : assignments[partitionIndex]![0])
    }
    expect(broker(1).isRunning).toBe(true)
    const described = await client.ask(1, describeLogDirsRequest, describeLogDirsResponse, { topics: null })
    const codes = described.results.map(({ errorCode }) => errorName(errorCode))
    expect(codes).toEqual([0, 1, 2].map(index => (index === disk ? 'KAFKA_STORAGE_ERROR' : 'NONE')))
    expect(described.results[disk]!.topics).toEqual([])

    // The disk is as dead as before: the broker starts with the others.
    await broker(1).restart()
    await load.more(5)
    for (let i = 0; i < partitions; i++) await isInSync('dies', held.includes(i) ? 2 : 3, i)
    await broker(1).stop()
    disks.get(1)!.repair(broker(1).logDirs[disk]!)
    await broker(1).start()
    for (let i = 0; i < partitions; i++) await isInSync('dies', 3, i)
    await load.stop()
    expect(await load.lost('dies')).toEqual([])
  }, 60_000)

  test("two replicas: the follower's disk dies, then, after it is back, the leader's: acks=all loses nothing", async () => {
    await client.createTopic('pair', { assignments: [[2, 3]] })
    await isInSync('pair', 2)
    const load = new Load('pair', 1)
    await load.more(10)
    for (const id of [3, 2]) {
      const disk = diskOf(id, 'pair')
      disks.get(id)!.fail(broker(id).logDirs[disk]!)
      await isInSync('pair', 1)
      await load.more(10)
      expect((await client.partition('pair', 0)).leader).toBe(id === 3 ? 2 : 3)
      expect(broker(id).isRunning).toBe(true)
      await broker(id).stop()
      disks.get(id)!.repair(broker(id).logDirs[disk]!)
      await broker(id).start()
      await isInSync('pair', 2)
    }
    await load.stop()
    expect(await load.lost('pair')).toEqual([])
  }, 60_000)

  test("the controller's: it hears of its own", async () => {
    const { controllerId } = await client.metadata(null)
    const others = [1, 2, 3].filter(id => id !== controllerId)
    await client.createTopic('own', {
      assignments: [[controllerId, ...others]],
      configs: { 'min.insync.replicas': '2' },
    })
    await isInSync('own', 3)
    const load = new Load('own', 1)
    await load.more(5)
    const disk = diskOf(controllerId, 'own')
    disks.get(controllerId)!.fail(broker(controllerId).logDirs[disk]!)
    await load.more(5)
    await isInSync('own', 2)
    expect((await client.partition('own', 0)).leader).toBe(others[0])
    await load.stop()
    expect(await load.lost('own')).toEqual([])
    await broker(controllerId).stop()
    disks.get(controllerId)!.repair(broker(controllerId).logDirs[disk]!)
    await broker(controllerId).start()
    await isInSync('own', 3)
  }, 60_000)

  test('the last one of a broker: it stops, others lead', async () => {
    await client.createTopic('last', { assignments: [[3, 1, 2]], configs: { 'min.insync.replicas': '2' } })
    await isInSync('last', 3)
    const load = new Load('last', 1)
    await load.more(5)
    for (const folder of broker(3).logDirs) disks.get(3)!.fail(folder)
    await load.more(5)
    await client.until('broker 3 stopped', () => Promise.resolve(!broker(3).isRunning), 20_000)
    await isInSync('last', 2)
    expect((await client.partition('last', 0)).leader).toBe(1)
    for (const folder of broker(3).logDirs) disks.get(3)!.repair(folder)
    await broker(3).start()
    await isInSync('last', 3)
    await load.stop()
    expect(await load.lost('last')).toEqual([])
  }, 60_000)
})
