import { expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { TinyBroker } from '@millrace/testing/world/tiny-broker'
import { VirtualNetwork } from '@millrace/testing/world/virtual-network'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { Connector } from './connector.ts'

const address = { host: '127.0.0.1', port: 9000 }
const options = { ...address, clientId: 'me', versions: 'fixed', requestTimeoutMs: 1000 } as const

function world(setupTimeoutMs: number, setupTimeoutMaxMs: number) {
  const time = new VirtualTime()
  const network = new VirtualNetwork(time)
  const ports = { transport: network, clock: time, timers: time, random: new SeededRandom(1) }
  const connector = new Connector({ setupTimeoutMs, setupTimeoutMaxMs, ports })
  /** How long the attempt took; null when it succeeded. */
  const attempt = async (): Promise<number | null> => {
    const beganMs = time.monotonicMs()
    let tookMs: number | null | undefined
    void connector.open(options).then(
      () => (tookMs = null),
      () => (tookMs = time.monotonicMs() - beganMs),
    )
    while (tookMs === undefined) await time.run(10)
    return tookMs
  }
  return { time, network, attempt }
}

const aboutOf = (ms: number, expected: number): boolean => ms >= expected * 0.79 && ms <= expected * 1.21

test('connector: nobody answers: each attempt may take twice as long as the one before, up to the most', async () => {
  const { network, attempt } = world(1000, 5000)
  network.silent.add('127.0.0.1:9000')
  for (const expected of [1000, 2000, 4000, 5000, 5000]) {
    const tookMs = await attempt()
    expect([expected, aboutOf(tookMs!, expected)]).toEqual([expected, true])
  }
})

test('connector: an attempt that succeeds: the next one has the first time again', async () => {
  const { network, attempt } = world(1000, 60_000)
  const broker = new TinyBroker()
  await broker.listen(network, 9000)
  network.silent.add('127.0.0.1:9000')
  for (let count = 0; count < 5; count++) await attempt()
  network.silent.clear()
  expect(await attempt()).toBeNull()
  network.silent.add('127.0.0.1:9000')
  expect(aboutOf((await attempt())!, 1000)).toBe(true)
})

test('connector: a most below the first time: no growth', async () => {
  const { network, attempt } = world(3000, 1000)
  network.silent.add('127.0.0.1:9000')
  for (let count = 0; count < 3; count++) expect(aboutOf((await attempt())!, 3000)).toBe(true)
})
