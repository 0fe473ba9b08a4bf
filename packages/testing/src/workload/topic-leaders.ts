import type { World } from '@millrace/runtime/ports'
import type { BrokerLinks } from './broker-links.ts'

export interface KnownLeader {
  readonly brokerId: number
  readonly leaderEpoch: number
}

const refreshPauseMs = 100

/** Who leads the partitions of one topic, asked again when somebody found that it is not so. */
export class TopicLeaders {
  private readonly links: BrokerLinks
  private readonly world: World
  private readonly topic: string
  private leaders = new Map<number, KnownLeader>()
  private refreshing: Promise<void> | null = null

  constructor(options: { readonly links: BrokerLinks; readonly world: World; readonly topic: string }) {
    this.links = options.links
    this.world = options.world
    this.topic = options.topic
  }

  of(partition: number): KnownLeader | undefined {
    return this.leaders.get(partition)
  }

  /** One question at a time, and a pause after it. Never rejects: a broker that does not answer is a reason to ask the next one later. */
  refresh(): Promise<void> {
    this.refreshing ??= this.ask().finally(() => (this.refreshing = null))
    return this.refreshing
  }

  private async ask(): Promise<void> {
    try {
      const { topics } = await this.links.metadata(this.topic)
      for (const { partitionIndex, leaderId, leaderEpoch } of topics[0]?.partitions ?? []) {
        const known = this.leaders.get(partitionIndex)
        // A broker that was cut off may answer with older news than we have.
        if (known !== undefined && known.leaderEpoch > leaderEpoch) continue
        if (leaderId >= 0) this.leaders.set(partitionIndex, { brokerId: leaderId, leaderEpoch })
        else this.leaders.delete(partitionIndex)
      }
    } catch {
      // Down, stopped or cut off: the pause below, then whoever is next.
    }
    await new Promise<void>(resolve => void this.world.timers.after(refreshPauseMs, resolve))
  }
}
