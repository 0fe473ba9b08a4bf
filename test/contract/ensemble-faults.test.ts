import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import type { Coordination, SessionEvent, WatchEvent } from '@millrace/zookeeper/coordination'
import { listen, Queue } from '@millrace/zookeeper/contract/expectations.contract'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import type { EnsembleOptions } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { describeWith } from '../oracles/describe-with.ts'
import { startZooKeeper, startZooKeeperEnsemble } from '../oracles/zookeeper-server.ts'
import type { ZooKeeperEnsemble, ZooKeeperServer } from '../oracles/zookeeper-server.ts'
import { TcpProxy } from './tcp-proxy.ts'

const world = nodeWorld()
const events = (...types: SessionEvent['type'][]): unknown[] => types.map(type => expect.objectContaining({ type }))
const opened: Coordination[] = []

function client(options: Partial<EnsembleOptions> & { readonly servers: string }): Coordination {
  const coordination = ensembleCoordination({
    ...{ sessionTimeoutMs: 4000, connectionTimeoutMs: 15_000, world, logger: silentLogger },
    ...options,
  })
  opened.push(coordination)
  return coordination
}

async function connected(options: Partial<EnsembleOptions> & { readonly servers: string }): Promise<Coordination> {
  const coordination = client(options)
  await coordination.connect()
  return coordination
}

async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map(coordination => coordination.close()))
}

describeWith(['kafka'], 'ensemble of three', () => {
  let zookeeper: ZooKeeperEnsemble
  let proxies: TcpProxy[] = []
  let throughProxies = ''

  beforeAll(async () => {
    zookeeper = await startZooKeeperEnsemble(3, { tickMs: 500 })
    proxies = await Promise.all(zookeeper.servers.map(server => TcpProxy.to(server)))
    throughProxies = proxies.map(proxy => `127.0.0.1:${proxy.port}`).join(',')
  }, 60_000)
  afterEach(async () => {
    for (const proxy of proxies) proxy.heal()
    for (const server of zookeeper.servers) server.kill('SIGCONT')
    await closeAll()
  }, 60_000)
  afterAll(async () => {
    await Promise.all(proxies.map(proxy => proxy.close()))
    await zookeeper.stop()
  }, 60_000)

  /** The one server that has a connection through our proxies. */
  const serverInUse = (): ZooKeeperServer => zookeeper.servers[proxies.findIndex(proxy => proxy.connectionCount > 0)]!

  test('server killed: another takes over, session, ephemerals and watches are kept, nothing acknowledged is lost', async () => {
    const zk = await connected({ servers: `${throughProxies}/killed`, sessionTimeoutMs: 10_000 })
    const server = serverInUse()
    const other = await connected({
      servers: `127.0.0.1:${zookeeper.servers.find(each => each !== server)!.port}/killed`,
      sessionTimeoutMs: 10_000,
    })
    const sessions = listen(zk)
    const watched = new Queue<WatchEvent>()
    const before = zk.session
    await zk.create('/ephemeral', null, { mode: 'ephemeral' })
    await zk.create('/counter', null)
    await zk.exists('/created', watched.push)
    const writes = Array.from({ length: 200 }, () =>
      zk.set('/counter', null, -1).then(
        stat => stat.version,
        () => null,
      ),
    )
    server.kill('SIGKILL')
    const acknowledged = (await Promise.all(writes)).filter(version => version !== null)
    expect(await sessions.take(2)).toEqual(events('suspended', 'resumed'))
    expect(zk.session).toMatchObject({ id: before?.id, generation: 1 })
    expect((await zk.exists('/ephemeral'))?.ephemeralOwner).toBe(before?.id)
    expect((await zk.get('/counter')).stat.version).toBeGreaterThanOrEqual(acknowledged.at(-1) ?? 0)
    await untilConnected(other, () => other.create('/created', null))
    expect(await watched.next()).toEqual({ type: 'created', path: '/created' })
    await server.restart()
  }, 60_000)

  test('server stopped (SIGSTOP): noticed within two thirds of the timeout, another takes over, ephemerals are kept', async () => {
    const sessionTimeoutMs = 6000
    // A stopped leader keeps the others from confirming any session, until they give it up.
    const [follower, leader] = await followerAndLeader(zookeeper)
    const zk = await connected({
      servers: `127.0.0.1:${follower.port},127.0.0.1:${leader.port}/stopped`,
      sessionTimeoutMs,
      world: inOrder(),
    })
    const sessions = listen(zk)
    const id = zk.session?.id
    await zk.create('/ephemeral', null, { mode: 'ephemeral' })
    const stoppedMs = world.clock.monotonicMs()
    follower.kill('SIGSTOP')
    expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
    expect(world.clock.monotonicMs() - stoppedMs).toBeLessThanOrEqual((sessionTimeoutMs * 2) / 3)
    expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
    expect((await zk.exists('/ephemeral'))?.ephemeralOwner).toBe(id)
  }, 60_000)

  test('connect: the first server is stopped: the next one answers in time', async () => {
    const [follower, leader] = await followerAndLeader(zookeeper)
    follower.kill('SIGSTOP')
    const zk = await connected({
      servers: `127.0.0.1:${follower.port},127.0.0.1:${leader.port}`,
      world: inOrder(),
      sessionTimeoutMs: 6000,
    })
    expect(await zk.exists('/')).not.toBeNull()
  }, 60_000)

  test('partition longer than the timeout: expired once without a word from a server; what was written in it never happens', async () => {
    const zk = await connected({ servers: `${throughProxies}/partition`, sessionTimeoutMs: 2000 })
    const witness = await connected({ servers: `${zookeeper.connectString}/partition` })
    const sessions = listen(zk)
    await zk.create('/ephemeral', null, { mode: 'ephemeral' })
    for (const proxy of proxies) proxy.drop()
    const sent = zk.create('/sent', null).catch((error: unknown) => error)
    const read = zk.get('/').catch((error: unknown) => error)
    expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
    expect(await sent).toMatchObject({ code: 'UNKNOWN_OUTCOME', path: '/sent' })
    expect(await read).toMatchObject({ code: 'NOT_CONNECTED', path: '/' })
    await expect(zk.create('/later', null)).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    expect(await sessions.next()).toEqual({ type: 'expired', generation: 1 })
    await expect(zk.create('/too-late', null)).rejects.toMatchObject({ code: 'SESSION_EXPIRED' })
    for (const proxy of proxies) proxy.heal()
    expect(await sessions.next()).toEqual({ type: 'established', generation: 2 })
    expect(await zk.children('/')).toEqual([])
    expect(await witness.children('/')).toEqual([])
    expect(sessions.waiting).toBe(0)
  }, 60_000)

  test('quorum lost for longer than the timeout: expired is reported, and the old session is gone before the next one', async () => {
    const zk = await connected({ servers: `${zookeeper.connectString}/quorum`, sessionTimeoutMs: 3000 })
    const sessions = listen(zk)
    const old = zk.session
    await zk.create('/ephemeral', null, { mode: 'ephemeral' })
    // All of them: after the pause every server gives every session its full time again.
    for (const server of zookeeper.servers) server.kill('SIGSTOP')
    expect(await sessions.take(2)).toEqual(events('suspended', 'expired'))
    const ephemeralAtStart = Promise.withResolvers<unknown>()
    zk.onSessionEvent(event => {
      if (event.type === 'established') ephemeralAtStart.resolve(zk.exists('/ephemeral'))
    })
    for (const server of zookeeper.servers) server.kill('SIGCONT')
    expect(await sessions.next()).toEqual({ type: 'established', generation: 2 })
    expect(zk.session?.id).not.toBe(old?.id)
    expect(await ephemeralAtStart.promise).toBeNull()
  }, 60_000)
})

describeWith(['kafka'], 'ensemble of one, faults', () => {
  let zookeeper: ZooKeeperEnsemble
  let proxy: TcpProxy

  beforeAll(async () => {
    zookeeper = await startZooKeeper({ tickMs: 500 })
    proxy = await TcpProxy.to(zookeeper.servers[0]!)
  }, 60_000)
  afterEach(async () => {
    proxy.heal()
    await closeAll()
  }, 60_000)
  afterAll(async () => {
    await proxy.close()
    await zookeeper.stop()
  }, 60_000)

  test('previousSession: alive: taken over with its ephemerals', async () => {
    const first = await connected({ servers: `127.0.0.1:${proxy.port}/reattach`, sessionTimeoutMs: 10_000 })
    await first.create('/ephemeral', null, { mode: 'ephemeral' })
    const previousSession = first.session!
    proxy.cut()
    const second = await connected({
      servers: `${zookeeper.connectString}/reattach`,
      sessionTimeoutMs: 10_000,
      previousSession,
    })
    expect(second.session).toMatchObject({ id: previousSession.id, generation: 1 })
    expect((await second.exists('/ephemeral'))?.ephemeralOwner).toBe(previousSession.id)
    await second.close()
    const third = await connected({ servers: `${zookeeper.connectString}/reattach` })
    expect(await third.exists('/ephemeral')).toBeNull()
  }, 30_000)

  test('previousSession: gone, or with a wrong password: a new session', async () => {
    const first = await connected({ servers: zookeeper.connectString })
    const previousSession = first.session!
    const wrong = await connected({
      servers: zookeeper.connectString,
      previousSession: { id: previousSession.id, password: Buffer.alloc(16, 7) },
    })
    expect(wrong.session?.id).not.toBe(previousSession.id)
    await first.close()
    const sessions = new Queue<SessionEvent>()
    const second = client({ servers: zookeeper.connectString, previousSession })
    second.onSessionEvent(sessions.push)
    await second.connect()
    expect(second.session?.id).not.toBe(previousSession.id)
    expect(sessions.all()).toEqual([{ type: 'established', generation: 1 }])
  }, 30_000)

  test('connect: nobody listens: rejects after connectionTimeoutMs and names the servers; then it may be tried again', async () => {
    proxy.cut()
    const zk = client({ servers: `127.0.0.1:${proxy.port}`, connectionTimeoutMs: 300 })
    await expect(zk.connect()).rejects.toThrow(`within 300 ms from 127.0.0.1:${proxy.port}`)
    await expect(zk.connect()).rejects.toMatchObject({ code: 'NOT_CONNECTED' })
    proxy.heal()
    await zk.connect()
    expect(zk.session?.generation).toBe(1)
  }, 30_000)

  test('connect: unknown scheme of credentials: AUTH_FAILED', async () => {
    const zk = client({ servers: zookeeper.connectString, auth: [{ scheme: 'nobody', auth: 'x' }] })
    await expect(zk.connect()).rejects.toMatchObject({ code: 'AUTH_FAILED' })
    expect(zk.session).toBeNull()
  }, 30_000)

  test('event loop stands still for longer than the session: the first write afterwards is refused, a new session follows', async () => {
    const zk = await connected({ servers: `${zookeeper.connectString}/still`, sessionTimeoutMs: 1000 })
    const sessions = listen(zk)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
    await expect(zk.create('/zombie', null)).rejects.toMatchObject({ code: 'SESSION_EXPIRED' })
    expect(await sessions.take(3)).toEqual(events('suspended', 'expired', 'established'))
    expect(await zk.children('/')).toEqual([])
  }, 30_000)

  test('twenty thousand watches of 250 bytes: set again after one reconnect', async () => {
    const zk = await connected({ servers: `127.0.0.1:${proxy.port}/watches`, sessionTimeoutMs: 10_000 })
    const other = await connected({ servers: `${zookeeper.connectString}/watches` })
    const sessions = listen(zk)
    const watched = new Queue<WatchEvent>()
    const paths = Array.from(
      { length: 20_000 },
      (_, index) => `/${'watched-'.repeat(30)}${String(index).padStart(5, '0')}`,
    )
    await Promise.all(paths.map(path => zk.exists(path, watched.push)))
    proxy.cut()
    expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
    proxy.heal()
    expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
    for (const path of [paths[0]!, paths.at(-1)!]) {
      await other.create(path, null)
      expect(await watched.next()).toEqual({ type: 'created', path })
    }
    await zk.create('/still-connected', null)
    expect(sessions.waiting).toBe(0)
  }, 60_000)

  test('connection breaks under load: every call settles, what was acknowledged is there, what was not sent is not', async () => {
    const zk = await connected({ servers: `127.0.0.1:${proxy.port}/load`, sessionTimeoutMs: 10_000 })
    const sessions = listen(zk)
    const outcomes: string[] = []
    const calls = Array.from({ length: 2000 }, (_, index) =>
      zk.create(`/${index}`, null).then(
        () => 'created',
        (error: { code: string }) => error.code,
      ),
    )
    await calls[100]
    proxy.cut()
    outcomes.push(...(await Promise.all(calls)))
    expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
    proxy.heal()
    expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
    const there = new Set(await zk.children('/'))
    expect(new Set(outcomes)).toEqual(new Set(['created', 'UNKNOWN_OUTCOME', 'NOT_CONNECTED']))
    const presence = (outcome: string): Set<boolean> =>
      new Set(outcomes.flatMap((each, index) => (each === outcome ? [there.has(String(index))] : [])))
    expect(presence('created')).toEqual(new Set([true]))
    expect(presence('NOT_CONNECTED')).toEqual(new Set([false]))
  }, 60_000)
})

/** A world whose draws leave two servers in their order. */
function inOrder(): typeof world {
  return { ...world, random: { ...world.random, uint32: () => 1 } }
}

async function followerAndLeader({ servers }: ZooKeeperEnsemble): Promise<[ZooKeeperServer, ZooKeeperServer]> {
  const modes = await Promise.all(servers.map(server => modeOf(server)))
  return [servers[modes.indexOf('follower')]!, servers[modes.indexOf('leader')]!]
}

/** What the server calls itself: leader, follower, standalone. */
async function modeOf({ port }: ZooKeeperServer): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1')
  socket.end('srvr')
  let text = ''
  for await (const bytes of socket) text += String(bytes)
  return /Mode: (\w+)/.exec(text)?.[1]
}

/** A client of another server may lose its connection too while the ensemble finds a leader. */
async function untilConnected<T>(zk: Coordination, run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run()
    } catch (error) {
      const { code } = error as { code?: string }
      if (code === 'NODE_EXISTS') return undefined as T
      if (code !== 'NOT_CONNECTED' && code !== 'UNKNOWN_OUTCOME') throw error
      if (zk.isConnected) continue
      await listen(zk).until(event => event.type === 'resumed')
    }
  }
}
