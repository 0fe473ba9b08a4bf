import { expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { ControllerCluster, type ControlledBroker } from '@millrace/testing/controller/controller-cluster'
import { FaultyCoordination, type Faults } from '@millrace/testing/controller/faulty-coordination'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { TopicChanges } from '../metadata/topic-changes.ts'
import { TopicCreation } from '../metadata/topic-creation.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'

/** Topics of four partitions (or of so many that their states share transactions) are made and one of them deleted, while the controller meets with `faults`. */
class Scenario {
  readonly cluster = new ControllerCluster()
  wrapped: FaultyCoordination | null = null
  readonly partitions: readonly number[]

  constructor(count = 4) {
    this.partitions = Array.from({ length: count }, (_, partition) => partition)
  }

  async start(faults: Faults): Promise<void> {
    await this.cluster.start(1, {
      wrap: client => (this.wrapped = new FaultyCoordination(client, faults)),
    })
    await this.cluster.start(2)
  }

  get writer(): ControlledBroker {
    return this.cluster.brokers.get(2)!
  }

  async create(name: string): Promise<void> {
    const creation = new TopicCreation({
      coordination: this.writer.client,
      metadata: this.writer.metadata,
      settings: {} as BrokerSettings,
      random: this.cluster.world.random,
      logger: silentLogger,
    })
    const assignment = new Map(this.partitions.map(partition => [partition, [2]]))
    await this.cluster.world.during(creation.create({ name, assignment, configs: new Map() }))
    await this.cluster.settle()
  }

  async delete(name: string): Promise<void> {
    const { client: coordination, metadata } = this.writer
    const changes = new TopicChanges({ coordination, metadata, random: this.cluster.world.random })
    await this.cluster.world.during(changes.markForDeletion(name))
    await this.cluster.settle()
  }

  leaders(name: string): number[] {
    return this.writer.metadata.partitions(name).map(partition => partition.leader)
  }

  async znodes(path: string): Promise<string[]> {
    return await this.cluster.world.during(this.writer.client.children(path))
  }

  /** Everything led that stays, nothing left of what was deleted. */
  async check(): Promise<void> {
    expect(this.leaders('stays')).toEqual(this.partitions.map(() => 2))
    expect(this.leaders('goes')).toEqual([])
    expect(await this.znodes('/brokers/topics')).toEqual(['stays'])
    expect(await this.znodes('/config/topics')).toEqual(['stays'])
    expect(await this.znodes('/admin/delete_topics')).toEqual([])
    const path = '/brokers/topics/stays/partitions'
    for (const partition of await this.znodes(path)) {
      expect(await this.znodes(`${path}/${partition}`)).toEqual(['state'])
    }
  }

  async run(): Promise<void> {
    await this.create('goes')
    await this.create('stays')
    await this.delete('goes')
  }
}

test.each([4, 12])(
  'controller: killed at each of its writes, before or after it: the next one finishes what was begun (%d partitions)',
  async partitions => {
    const whole = new Scenario(partitions)
    await whole.start({ onTransaction: () => 'done' })
    await whole.run()
    await whole.check()
    const transactions = whole.wrapped!.transactions
    await whole.cluster.close()
    // Twelve states are two transactions, of four each has its own.
    expect(transactions).toBeGreaterThan(partitions > 8 ? 7 : 10)

    for (let crashAt = 2; crashAt <= transactions; crashAt++) {
      for (const fault of ['answer-lost', 'request-lost'] as const) {
        const scenario = new Scenario(partitions)
        let isDead = false
        await scenario.start({
          onTransaction: count => {
            if (count < crashAt && !isDead) return 'done'
            if (isDead) return 'hangs'
            isDead = true
            // The session ends a moment later, as after kill -9.
            scenario.cluster.world.time.after(1, () => void scenario.cluster.kill(1))
            return fault
          },
        })
        await scenario.run()
        await scenario.cluster.settle()
        expect(`${crashAt} ${fault} ${scenario.writer.controller.isActive}`).toBe(`${crashAt} ${fault} true`)
        await scenario.check()
        await scenario.cluster.close()
      }
    }
  },
)

const firstSeed = Number(process.env['SEED'] ?? 1)
for (let seed = firstSeed; seed < firstSeed + 20; seed++) {
  test(`controller: every fifth write loses its answer or is never sent: nothing is lost or done twice (seed ${seed})`, async () => {
    const random = new SeededRandom(seed)
    const scenario = new Scenario(seed % 2 === 0 ? 12 : 4)
    await scenario.start({
      onTransaction: () => (['answer-lost', 'request-lost'] as const)[random.below(10)] ?? 'done',
    })
    await scenario.run()
    await scenario.cluster.settle()
    await scenario.check()
    expect(scenario.cluster.brokers.get(1)?.controller.controllerEpoch).toBe(1)
    const states = await scenario.cluster.world.during(
      Promise.all(
        scenario.partitions.map(p => scenario.writer.client.get(`/brokers/topics/stays/partitions/${p}/state`)),
      ),
    )
    expect(states.map(({ stat }) => stat.version)).toEqual(scenario.partitions.map(() => 0))
    await scenario.cluster.close()
  })
}
