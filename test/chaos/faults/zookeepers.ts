import type { ZooKeeperServer } from '../../oracles/zookeeper-server.ts'
import { expireSession, sessionOf } from '../../process-cluster/expire-session.ts'
import { anyBroker, between, NoVictim, pick, sleep, type Fault, type FaultRow, type Stage } from '../fault.ts'

/** Faults of the ensemble come one at a time. */
const busyWithZooKeeper = new WeakSet<object>()
async function alone(stage: Stage, run: () => Promise<void>): Promise<void> {
  if (busyWithZooKeeper.has(stage.cluster)) throw new NoVictim('the ensemble has its fault already')
  busyWithZooKeeper.add(stage.cluster)
  try {
    await run()
  } finally {
    busyWithZooKeeper.delete(stage.cluster)
  }
}

async function endAndRestart(stage: Stage, servers: readonly ZooKeeperServer[], awayMs: number): Promise<void> {
  for (const server of servers) server.kill('SIGKILL')
  await Promise.all(servers.map(server => server.ended()))
  await sleep(stage, awayMs)
  await Promise.all(servers.map(server => server.restart()))
}

const killOne: Fault = (stage, random) =>
  alone(stage, async () => {
    const awayMs = between(random, 0, 10_000)
    const server = pick(random, stage.cluster.zookeeper.servers)
    stage.say(`kill -9 of the ZooKeeper server on ${server.port}, for ${awayMs} ms`)
    await endAndRestart(stage, [server], awayMs)
  })

const pauseOne: Fault = (stage, random) =>
  alone(stage, async () => {
    const pausedMs = between(random, 500, 10_000)
    const server = pick(random, stage.cluster.zookeeper.servers)
    stage.say(`SIGSTOP of the ZooKeeper server on ${server.port}, for ${pausedMs} ms`)
    server.kill('SIGSTOP')
    await sleep(stage, pausedMs)
    server.kill('SIGCONT')
  })

const killAll: Fault = (stage, random) =>
  alone(stage, async () => {
    const awayMs = between(random, 500, 15_000)
    stage.say(`kill -9 of the whole ensemble, for ${awayMs} ms`)
    await endAndRestart(stage, stage.cluster.zookeeper.servers, awayMs)
  })

const expire: Fault = async (stage, random) => {
  const broker = anyBroker(stage, random)
  const servers = stage.cluster.zookeeperConnect
  const session = sessionOf(broker, servers)
  if (session === null) throw new NoVictim(`broker ${broker.id} has no session`)
  stage.say(`the session of ${broker.id} is ended`)
  await expireSession(servers, session, 8000).catch((error: unknown) => {
    throw new NoVictim(`no ZooKeeper server answered: ${String(error)}`)
  })
}

export const zookeepers = {
  'zookeeper-server-killed': { weight: 2, doc: 'kill -9 of one ZooKeeper server', run: killOne },
  'zookeeper-server-paused': { weight: 1, doc: 'SIGSTOP of one ZooKeeper server', run: pauseOne },
  'zookeeper-down': { weight: 2, doc: 'kill -9 of the whole ensemble', run: killAll },
  'session-expired': { weight: 2, doc: 'the ZooKeeper session of a live broker ends', run: expire },
} satisfies Record<string, FaultRow>
