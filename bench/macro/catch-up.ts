import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from '@millrace/client/connection/connection'
import { metadataRequest, metadataResponse } from '@millrace/protocol/messages/03-metadata'
import { emptyOf, ZERO_UUID } from '@millrace/protocol/schema'
import { nodeWorld } from '@millrace/runtime/node/world'
import { eventually } from '../../test/oracles/processes.ts'
import { preheatMemory, type LoadGenerator } from './load-generator.ts'
import { adminOf } from './replicated-loads.ts'
import type { ThreeBrokers } from './three-brokers.ts'

export interface CatchUpResult {
  readonly partitions: number
  /** That the follower did not have. */
  readonly megabytes: number
  /** From the start of its process until it listens. */
  readonly startSeconds: number
  /** From then until its first new byte is in a file, until the last is, and until it is in sync with all partitions. */
  readonly firstByteSeconds: number
  readonly lastByteSeconds: number
  readonly inSyncSeconds: number
  /** All of them over the time from its first byte, and from listening, until it is in sync. */
  readonly megabytesPerSecond: number
  readonly megabytesPerSecondFromListening: number
}

const topic = 'catch-up'
/** The broker that stops; the other two lead. */
const follower = 3
const leaders = [1, 2]
const recordsPerBatch = 9000
const patienceMs = 60_000

/**
 * A follower is stopped in an orderly way, `megabytes` are written to `partitions` that the other two lead, the follower is started again: how
 * fast does it get what it lacks? The page cache is warm: what was written last is read from memory.
 */
export async function benchCatchUp(
  brokers: ThreeBrokers,
  generator: LoadGenerator,
  options: { readonly work: string; readonly partitions: number; readonly megabytes: number },
): Promise<CatchUpResult> {
  const { work, partitions, megabytes } = options
  await createTopic(brokers, partitions)
  const leader = await Connection.open(
    {
      ...{ host: '127.0.0.1', port: brokers.ports[leaders[0]! - 1]!, clientId: 'bench', versions: 'negotiate' },
      ...{ connectTimeoutMs: 5000, requestTimeoutMs: patienceMs },
    },
    nodeWorld(),
  )
  const inSync = async (count: number): Promise<boolean> => {
    const { topics } = await leader.request(metadataRequest, metadataResponse, {
      ...emptyOf(metadataRequest),
      topics: [{ name: topic, topicId: ZERO_UUID }],
      allowAutoTopicCreation: false,
    })
    const all = topics.flatMap(each => each.partitions)
    return all.length === partitions && all.every(({ isrNodes }) => isrNodes.length === count)
  }
  try {
    await until('three in-sync replicas', () => inSync(3))
    await brokers.processes[follower - 1]!.stop()
    await until('two in-sync replicas', () => inSync(2))
    preheatMemory(work, megabytes * 2.2)
    await write(brokers, generator, partitions, megabytes)
    const wanted = bytesOf(brokers, leaders[0]!) // Each of the two has all partitions, as leader or follower.
    const had = bytesOf(brokers, follower)
    // What was just written waits for the disk, and beyond a share of the memory whoever writes more waits with it: that is not what is measured.
    execFileSync('sync')
    preheatMemory(work, megabytes * 1.2)
    const startedMs = performance.now()
    await brokers.restart(follower)
    const listeningMs = performance.now()
    const since = (fromMs: number): number => Number(((performance.now() - fromMs) / 1000).toFixed(3))
    await until('first byte', async () => bytesOf(brokers, follower) > had, 2)
    const firstByteSeconds = since(listeningMs)
    await until('last byte', async () => bytesOf(brokers, follower) >= wanted, 5)
    const lastByteSeconds = since(listeningMs)
    await until('three in-sync replicas again', () => inSync(3), 5)
    const inSyncSeconds = since(listeningMs)
    const lacked = (wanted - had) / 1e6
    return {
      partitions,
      megabytes: Math.round(lacked),
      startSeconds: Number(((listeningMs - startedMs) / 1000).toFixed(3)),
      ...{ firstByteSeconds, lastByteSeconds, inSyncSeconds },
      megabytesPerSecond: Math.round(lacked / (inSyncSeconds - firstByteSeconds)),
      megabytesPerSecondFromListening: Math.round(lacked / inSyncSeconds),
    }
  } finally {
    await leader.close()
    await deleteTopic(brokers)
  }
}

async function createTopic(brokers: ThreeBrokers, partitions: number): Promise<void> {
  const admin = await adminOf(brokers)
  // kafkajs gives up at once where brokers that just started name no controller yet.
  await eventually(
    () => admin.describeCluster().then(({ controller }) => controller !== null && controller >= 0),
    30_000,
  )
  const replicas = (partition: number): number[] => (partition % 2 === 0 ? [1, 2, follower] : [2, 1, follower])
  await admin.createTopics({
    topics: [
      {
        topic,
        replicaAssignment: Array.from({ length: partitions }, (_, partition) => ({
          partition,
          replicas: replicas(partition),
        })),
        configEntries: [
          { name: 'max.message.bytes', value: '2000000' },
          { name: 'min.insync.replicas', value: '2' },
        ],
      },
    ],
    waitForLeaders: true,
    timeout: 30_000,
  })
  await admin.disconnect()
}

async function deleteTopic(brokers: ThreeBrokers): Promise<void> {
  const admin = await adminOf(brokers)
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  await sleep(1500) // file.delete.delay.ms is 1 s here
}

/** acks=all, a batch of 1 MB each, two connections for each leader. */
async function write(
  brokers: ThreeBrokers,
  generator: LoadGenerator,
  partitions: number,
  megabytes: number,
): Promise<void> {
  const connections = Math.max(4, partitions)
  const depth = Math.ceil(megabytes / connections / 0.94)
  const ports = leaders.map(id => brokers.ports[id - 1]!)
  const pids = leaders.map(id => brokers.pids[id - 1]!)
  const args = [connections, depth, recordsPerBatch, 100, 0, topic, partitions].map(String)
  const { errors } = await generator.run('produce', { ports, pids, isPinned: false }, args, ['-1'])
  if (errors > 0) throw new Error(`${errors} requests were refused`)
}

function bytesOf(brokers: ThreeBrokers, id: number): number {
  let sum = 0
  const folder = brokers.folders[id - 1]!
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${topic}-`) || name.endsWith('-delete')) continue
    for (const file of readdirSync(join(folder, name))) {
      if (file.endsWith('.log')) sum += statSync(join(folder, name, file)).size
    }
  }
  return sum
}

async function until(what: string, isSo: () => Promise<boolean>, pauseMs = 20): Promise<void> {
  for (const endMs = performance.now() + patienceMs; !(await isSo()); await sleep(pauseMs)) {
    if (performance.now() > endMs) throw new Error(`no ${what} within ${patienceMs / 1000} s`)
  }
}
