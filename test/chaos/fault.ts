import type { World } from '@millrace/runtime/ports'
import type { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { ClusterClient } from '@millrace/testing/workload/cluster-client'
import type { BrokerProcess } from '../process-cluster/broker-process.ts'
import type { IsolatedCluster } from '../process-cluster/isolated-cluster.ts'

/** What a fault may touch. */
export interface Stage {
  readonly cluster: IsolatedCluster
  readonly client: ClusterClient
  readonly world: World
  /** Of the load that runs now. */
  readonly topic: string
  readonly partitions: number
  readonly victims: Victims
  /** Brokers that packets get lost on their way to; they are nobody's victims, as they are alive. */
  readonly losses: Victims
  /** One line of progress. */
  say(line: string): void
  /** A promise of the cluster was broken: the run has failed. */
  fail(reason: string): void
}

/**
 * Does something bad, lets it last, and makes it good again before it resolves. Every choice and every duration comes from `random`,
 * so a seed repeats them; who leads at that moment it does not repeat.
 */
export type Fault = (stage: Stage, random: SeededRandom) => Promise<void>

export interface FaultRow {
  readonly doc: string
  readonly run: Fault
  /** How often it is chosen, compared to the others. */
  readonly weight: number
  readonly needs?: FaultNeed
}
/** `namespaces`: every broker in a network of its own; `packet loss`: which may lose packets. `disks`: every broker on a small disk of its own. */
export type FaultNeed = 'namespaces' | 'packet loss' | 'disks'

/** Nothing suitable is free: another fault holds it, or nobody leads. The fault does nothing. */
export class NoVictim extends Error {
  override readonly name = 'NoVictim'
}

/** Brokers that some fault holds: two faults do not fight over one process. */
export class Victims {
  private readonly held = new Set<number>()

  isFree(id: number): boolean {
    return !this.held.has(id)
  }

  async with<T>(ids: readonly number[], run: () => Promise<T>): Promise<T> {
    for (const id of ids) if (this.held.has(id)) throw new NoVictim(`broker ${id} has its fault already`)
    for (const id of ids) this.held.add(id)
    try {
      return await run()
    } finally {
      for (const id of ids) this.held.delete(id)
    }
  }
}

export const sleep = (stage: Stage, ms: number): Promise<void> =>
  new Promise(resolve => void stage.world.timers.after(ms, resolve))

/** Between `least` and `most` milliseconds. */
export const between = (random: SeededRandom, least: number, most: number): number =>
  least + random.below(most - least + 1)

export function pick<T>(random: SeededRandom, from: readonly T[]): T {
  if (from.length === 0) throw new NoVictim('nothing to choose from')
  return from[random.below(from.length)]!
}

/** One whose process answers and that no other fault holds. */
export function anyBroker(stage: Stage, random: SeededRandom): BrokerProcess {
  const { cluster, victims } = stage
  return pick(
    random,
    cluster.brokers.filter(broker => broker.isAlive && victims.isFree(broker.id)),
  )
}

/** Leader of a partition that is drawn. */
export async function someLeader(stage: Stage, random: SeededRandom): Promise<BrokerProcess> {
  const partition = random.below(stage.partitions)
  return free(stage, async () => (await stage.client.partition(stage.topic, partition)).leader)
}

export async function theController(stage: Stage): Promise<BrokerProcess> {
  return free(stage, async () => (await stage.client.metadata(null)).controllerId)
}

/** Neither the controller nor, of a partition that is drawn, the leader. */
export async function someFollower(stage: Stage, random: SeededRandom): Promise<BrokerProcess> {
  const leader = await someLeader(stage, random)
  return pick(
    random,
    stage.cluster.brokers.filter(broker => broker !== leader && broker.isAlive && stage.victims.isFree(broker.id)),
  )
}

async function free(stage: Stage, find: () => Promise<number>): Promise<BrokerProcess> {
  const id = await find().catch((error: unknown) => {
    throw new NoVictim(`nobody answers: ${String(error)}`)
  })
  const broker = stage.cluster.brokers.find(each => each.id === id)
  if (broker?.isAlive !== true || !stage.victims.isFree(id)) throw new NoVictim(`broker ${id} is not free`)
  return broker
}
