import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { describeWith } from '../oracles/describe-with.ts'
import { startProcessCluster, type ProcessCluster } from '../process-cluster/process-cluster.ts'
import { expectNothingLost, lasting, longestGapMs, processes, sleep, underLoad } from './under-load.ts'

// Three broker processes on an ensemble of three; RF 3, min.insync.replicas=2. Every test has a topic and a load of its own.

jest.setTimeout(300_000)

describeWith(['kafka', 'confluent'], 'broker processes that end', () => {
  let cluster: ProcessCluster
  beforeAll(async () => {
    cluster = await startProcessCluster()
  })
  afterAll(() => cluster.close())

  const awayMs = lasting(1500, 10_000)

  test.each(['leader', 'follower', 'controller'] as const)(
    'kill -9 of the %s: nothing acknowledged is lost',
    async role => {
      const verdict = await underLoad(processes(cluster), { topic: `kill-${role}` }, async ({ leader, controller }) => {
        const leading = await leader()
        const follower = cluster.brokers.find(({ id }) => id !== leading)!.id
        const victim = cluster.broker({ leader: leading, follower, controller: await controller() }[role])
        await victim.kill()
        await sleep(awayMs)
        await victim.start()
      })
      expectNothingLost(verdict)
    },
  )

  test('kill -9 of two of three: acks=all is refused, what is committed is still read; then nothing acknowledged is lost', async () => {
    const verdict = await underLoad(
      processes(cluster),
      { topic: 'kill-two' },
      async ({ client, topic, leader, atWork, probe }) => {
        const survivor = await leader()
        const victims = cluster.brokers.filter(({ id }) => id !== survivor)
        const committed = await client.readAll(topic, 0)
        await Promise.all(victims.map(broker => broker.kill()))
        const isRefused = async (): Promise<boolean> =>
          (await probe(0, { brokerId: survivor, timeoutMs: 500 })) === ErrorCode.NOT_ENOUGH_REPLICAS
        await client.until('acks=all is refused', isRefused, 20_000)
        const still = await client.readAll(topic, 0, { brokerId: survivor })
        expect(still.slice(0, committed.length)).toEqual(committed)
        await sleep(awayMs)
        await victims[0]!.start()
        await atWork()
        await victims[1]!.start()
      },
    )
    expectNothingLost(verdict)
  })

  test('orderly restart of all three, one after another: nothing lost, no partition is without acknowledgements for a second', async () => {
    const verdict = await underLoad(processes(cluster), { topic: 'rolling' }, async ({ atWork }) => {
      for (const broker of cluster.brokers) {
        await broker.terminate()
        await broker.start()
        await atWork()
        await sleep(lasting(300, 5000))
      }
    })
    expectNothingLost(verdict)
    expect(longestGapMs(verdict)).toBeLessThan(3000)
  })
})
