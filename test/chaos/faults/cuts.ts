import type { SeededRandom } from '@millrace/testing/world/seeded-random'
import type { NetworkNamespaces } from '../../process-cluster/network-namespaces.ts'
import { anyBroker, between, NoVictim, pick, sleep, type Fault, type FaultRow, type Stage } from '../fault.ts'

interface Cut {
  readonly from: number
  readonly to: number | string
}

/** Loses a share of the packets that come to one broker; TCP sends them again. */
const losing: Fault = async (stage, random) => {
  const { network } = stage.cluster
  if (network === null) throw new NoVictim('the brokers share one network')
  const lastsMs = between(random, 2_000, 12_000)
  const percent = between(random, 1, 30)
  const { id } = anyBroker(stage, random)
  await stage.losses.with([id], async () => {
    stage.say(`${percent} % of the packets that come to ${id} are lost, for ${lastsMs} ms`)
    network.lose(id, percent / 100)
    try {
      await sleep(stage, lastsMs)
    } finally {
      network.loseNothing(id)
    }
  })
}

/** Draws what to cut, cuts it for a while, and heals it. Nothing is held: processes go on, and other faults may come on top. */
const cutting =
  (
    choose: (stage: Stage, random: SeededRandom, network: NetworkNamespaces) => { what: string; cuts: readonly Cut[] },
  ): Fault =>
  async (stage, random) => {
    const { network } = stage.cluster
    if (network === null) throw new NoVictim('the brokers share one network')
    const lastsMs = between(random, 500, 12_000)
    const { what, cuts } = choose(stage, random, network)
    stage.say(`${what}, for ${lastsMs} ms`)
    for (const { from, to } of cuts) network.cut(from, to)
    await sleep(stage, lastsMs)
    for (const { from, to } of cuts) network.heal(from, to)
  }

const others = (stage: Stage, id: number): number[] =>
  stage.cluster.brokers.map(each => each.id).filter(each => each !== id)

const both = (a: number, b: number): Cut[] => [
  { from: a, to: b },
  { from: b, to: a },
]

export const cuts = {
  'lose-packets': {
    weight: 2,
    needs: 'packet loss',
    doc: 'up to a third of the packets that come to one broker, from whomever, are lost',
    run: losing,
  },
  'cut-one-way': {
    weight: 2,
    needs: 'namespaces',
    doc: 'one broker hears another no more, which still hears it',
    run: cutting((stage, random) => {
      const from = anyBroker(stage, random).id
      const to = pick(random, others(stage, from))
      return { what: `nothing arrives from ${from} at ${to}`, cuts: [{ from, to }] }
    }),
  },
  'cut-two-way': {
    weight: 2,
    needs: 'namespaces',
    doc: 'two brokers hear nothing of each other',
    run: cutting((stage, random) => {
      const a = anyBroker(stage, random).id
      const b = pick(random, others(stage, a))
      return { what: `nothing passes between ${a} and ${b}`, cuts: both(a, b) }
    }),
  },
  'isolate-from-brokers': {
    weight: 2,
    needs: 'namespaces',
    doc: 'one broker is cut off from the others; clients and ZooKeeper reach it',
    run: cutting((stage, random) => {
      const { id } = anyBroker(stage, random)
      return {
        what: `${id} is cut off from the other brokers`,
        cuts: others(stage, id).flatMap(other => both(id, other)),
      }
    }),
  },
  'isolate-from-zookeeper': {
    weight: 2,
    needs: 'namespaces',
    doc: 'one broker is cut off from ZooKeeper only',
    run: cutting((stage, random, { zookeeperHosts }) => {
      const { id } = anyBroker(stage, random)
      return { what: `${id} is cut off from ZooKeeper`, cuts: zookeeperHosts.map(to => ({ from: id, to })) }
    }),
  },
  'isolate-send-only': {
    weight: 1,
    needs: 'namespaces',
    doc: 'one broker is heard by the others and hears nothing of them',
    run: cutting((stage, random) => {
      const { id } = anyBroker(stage, random)
      return {
        what: `${id} hears nothing of the other brokers`,
        cuts: others(stage, id).map(from => ({ from, to: id })),
      }
    }),
  },
  vanish: {
    weight: 2,
    needs: 'namespaces',
    doc: 'one broker is cut off from everything, as a host without power',
    run: cutting((stage, random, network) => {
      const { id } = anyBroker(stage, random)
      const everybody = [
        ...others(stage, id).map(each => network.hostOf(each)),
        ...network.zookeeperHosts,
        network.clientHost,
      ]
      return { what: `${id} is cut off from everything`, cuts: everybody.map(to => ({ from: id, to })) }
    }),
  },
} satisfies Record<string, FaultRow>
