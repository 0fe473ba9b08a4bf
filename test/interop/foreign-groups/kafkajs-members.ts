// kafkajs consumers of many groups in one process: commands and events as in java/GroupMembers.java; ASSIGNOR is a name for kafkajs's own one.
import { createInterface } from 'node:readline'
import { Kafka, logLevel, PartitionAssigners, type Consumer } from 'kafkajs'
import { monotonicMs } from '@millrace/runtime/node/clock'

process.removeAllListeners('warning') // kafkajs arms timers with negative delays, and Node says so each time
const [bootstrap = ''] = process.argv.slice(2)
const kafka = new Kafka({
  brokers: bootstrap.split(','),
  logLevel: logLevel.NOTHING,
  retry: { retries: 50, initialRetryTime: 100, maxRetryTime: 500 },
})
const say = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`)

class Member {
  readonly #name: string
  readonly #group: string
  readonly #consumer: Consumer
  #owned: readonly number[] = []
  /** What it joined as, until it is known of which generation that is. */
  #newMemberId: string | null = null

  constructor(name: string, groupId: string, assignor: string) {
    this.#name = name
    this.#group = groupId
    this.#consumer = kafka.consumer({
      ...{ groupId, sessionTimeout: 6_000, heartbeatInterval: 500, rebalanceTimeout: 6_000 },
      ...{ maxWaitTimeInMs: 100, metadataMaxAge: 2_000 },
      // Others call theirs so: only then can they be in one group.
      partitionAssigners: [config => ({ ...PartitionAssigners.roundRobin(config), name: assignor })],
      // It does not look for another coordinator when its own is gone: it gives up after so many attempts, and joins as somebody new.
      retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 300 },
    })
  }

  async start(topic: string): Promise<void> {
    const consumer = this.#consumer
    consumer.on(consumer.events.REBALANCING, () => this.#giveUp('revoked'))
    consumer.on(consumer.events.CRASH, () => this.#giveUp('revoked'))
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      // It joins again without a word when the coordinator does not know it any more.
      this.#giveUp('lost')
      this.#owned = [...(payload.memberAssignment[topic] ?? [])]
      this.#owns('assigned', this.#owned)
      this.#newMemberId = payload.memberId
    })
    consumer.on(consumer.events.HEARTBEAT, ({ payload }) => {
      // The first word on the generation: nothing is added to what it owns in it.
      if (payload.memberId !== this.#newMemberId || this.#owned.length === 0) return
      this.#newMemberId = null
      this.#owns('assigned', [], payload.groupGenerationId)
    })
    await this.#subscribe(topic)
    await consumer.run({
      autoCommitThreshold: 1,
      eachMessage: ({ partition, message }) => {
        const value = message.value!.toString().split(':', 2).join(':')
        this.#event('processed', { partition, offset: Number(message.offset), value })
        return Promise.resolve()
      },
    })
  }

  /** A broker that dies while it is asked is an error to kafkajs, and no reason to ask another one. */
  async #subscribe(topic: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#consumer.connect()
        await this.#consumer.subscribe({ topic, fromBeginning: true })
        return
      } catch (error) {
        if (attempt === 20) throw error
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    }
  }

  async stop(): Promise<void> {
    // It ends its work and leaves in one go: in between it says nothing.
    this.#event('leaving', {})
    await this.#consumer.disconnect()
    this.#event('left', {})
  }

  fail(error: unknown): void {
    this.#event('failed', { why: String(error) })
  }

  #giveUp(type: 'revoked' | 'lost'): void {
    if (this.#owned.length > 0) this.#owns(type, this.#owned)
    this.#owned = []
  }

  #owns(type: string, partitions: readonly number[], generation: number | null = null): void {
    this.#event(type, { generation, instance: null, partitions })
  }

  #event(type: string, more: object): void {
    say({ type, atMs: monotonicMs(), group: this.#group, member: this.#name, ...more })
  }
}

const members = new Map<string, Member>()
say({ type: 'ready' })
for await (const line of createInterface({ input: process.stdin })) {
  const [command, name = '', groupId = '', topic = '', assignor = ''] = line.split(' ')
  if (command === 'start') {
    const member = new Member(name, groupId, assignor)
    members.set(name, member)
    member.start(topic).catch((error: unknown) => member.fail(error))
  } else void members.get(name)!.stop()
}
await Promise.all([...members.values()].map(member => member.stop()))
process.exit(0)
