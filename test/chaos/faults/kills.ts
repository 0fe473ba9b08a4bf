import type { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { BrokerProcess } from '../../process-cluster/broker-process.ts'
import {
  anyBroker,
  between,
  pick,
  sleep,
  someFollower,
  someLeader,
  theController,
  type Fault,
  type FaultRow,
  type Stage,
} from '../fault.ts'

/** An ensemble that is down may be why it does not start. */
const startWithinMs = 60_000

type Choose = (stage: Stage, random: SeededRandom) => Promise<BrokerProcess>

/** kill -9, away for a moment or for long, up to three times in a row. */
const killing =
  (what: string, choose: Choose): Fault =>
  async (stage, random) => {
    const times = random.below(4) === 0 ? 3 : 1
    const awayMs = between(random, 0, times === 1 ? 12_000 : 3000)
    const broker = await choose(stage, random)
    await stage.victims.with([broker.id], async () => {
      for (let round = 0; round < times; round++) {
        stage.say(`kill -9 of ${what} ${broker.id}, for ${awayMs} ms`)
        await broker.kill()
        await sleep(stage, awayMs)
        await broker.startSupervised(startWithinMs)
        if (round + 1 < times) await sleep(stage, between(random, 200, 3000))
      }
    })
  }

const killingTwo: Fault = async (stage, random) => {
  const apartMs = between(random, 0, 2000)
  const awayMs = between(random, 1000, 10_000)
  const first = anyBroker(stage, random)
  const second = pick(
    random,
    stage.cluster.brokers.filter(each => each !== first && each.isAlive && stage.victims.isFree(each.id)),
  )
  await stage.victims.with([first.id, second.id], async () => {
    stage.say(`kill -9 of ${first.id} and, ${apartMs} ms later, ${second.id}, for ${awayMs} ms`)
    await first.kill()
    await sleep(stage, apartMs)
    await second.kill()
    await sleep(stage, awayMs)
    const [one, other] = random.below(2) === 0 ? [first, second] : [second, first]
    await one.startSupervised(startWithinMs)
    await sleep(stage, between(random, 0, 3000))
    await other.startSupervised(startWithinMs)
  })
}

const killingAll: Fault = async (stage, random) => {
  const awayMs = between(random, 0, 6000)
  const { brokers } = stage.cluster
  await stage.victims.with(
    brokers.map(({ id }) => id),
    async () => {
      stage.say(`kill -9 of all brokers, for ${awayMs} ms`)
      await Promise.all(brokers.map(broker => broker.kill()))
      await sleep(stage, awayMs)
      await Promise.all(brokers.map(broker => broker.startSupervised(startWithinMs)))
    },
  )
}

const rollingRestart: Fault = async (stage, random) => {
  const pauseMs = between(random, 0, 3000)
  for (const broker of stage.cluster.brokers) {
    if (!stage.victims.isFree(broker.id) || !broker.isAlive) continue
    await stage.victims.with([broker.id], async () => {
      stage.say(`orderly restart of ${broker.id}`)
      await broker.terminate()
      await broker.startSupervised(startWithinMs)
    })
    await sleep(stage, pauseMs)
  }
}

export const kills = {
  'kill-leader': { weight: 4, doc: 'kill -9 of a leader', run: killing('the leader', someLeader) },
  'kill-follower': { weight: 2, doc: 'kill -9 of a follower', run: killing('the follower', someFollower) },
  'kill-controller': { weight: 3, doc: 'kill -9 of the controller', run: killing('the controller', theController) },
  'kill-two': { weight: 2, doc: 'kill -9 of two of three brokers', run: killingTwo },
  'kill-all': { weight: 1, doc: 'kill -9 of all brokers at once', run: killingAll },
  'rolling-restart': { weight: 1, doc: 'orderly restart of all, one after another', run: rollingRestart },
} satisfies Record<string, FaultRow>
