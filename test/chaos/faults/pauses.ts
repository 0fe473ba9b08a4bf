import type { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { BrokerProcess } from '../../process-cluster/broker-process.ts'
import {
  anyBroker,
  between,
  sleep,
  someLeader,
  theController,
  type Fault,
  type FaultRow,
  type Stage,
} from '../fault.ts'

/** SIGSTOP, then SIGCONT: the process wakes up with yesterday's beliefs and requests in its sockets. */
const pausing =
  (
    what: string,
    choose: (stage: Stage, random: SeededRandom) => Promise<BrokerProcess>,
    [least, most]: [number, number],
  ): Fault =>
  async (stage, random) => {
    const pausedMs = between(random, least, most)
    const broker = await choose(stage, random)
    await stage.victims.with([broker.id], async () => {
      stage.say(`SIGSTOP of ${what} ${broker.id}, for ${pausedMs} ms`)
      broker.pause()
      try {
        await sleep(stage, pausedMs)
      } finally {
        broker.resume()
      }
    })
  }

const any = (stage: Stage, random: SeededRandom): Promise<BrokerProcess> => Promise.resolve(anyBroker(stage, random))

/** Session timeout 4 s, `replica.lag.time.max.ms` 2 s. */
export const pauses = {
  'pause-leader-briefly': {
    weight: 1,
    doc: 'SIGSTOP of a leader, shorter than any timeout',
    run: pausing('the leader', someLeader, [100, 1800]),
  },
  'pause-leader-past-lag': {
    weight: 2,
    doc: 'SIGSTOP of a leader, longer than replica.lag.time.max.ms',
    run: pausing('the leader', someLeader, [2200, 3800]),
  },
  'pause-leader-past-session': {
    weight: 3,
    doc: 'SIGSTOP of a leader, longer than its session',
    run: pausing('the leader', someLeader, [4500, 12_000]),
  },
  'pause-controller': {
    weight: 2,
    doc: 'SIGSTOP of the controller',
    run: pausing('the controller', theController, [1000, 12_000]),
  },
  'pause-any': { weight: 1, doc: 'SIGSTOP of any broker', run: pausing('broker', any, [500, 9000]) },
} satisfies Record<string, FaultRow>
