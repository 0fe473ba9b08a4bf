import { describe, expect, test } from '@jest/globals'
import type { SessionEvent, WatchEvent } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { createAll, expectError, listen, Queue } from './expectations.contract.ts'

export function sessionContract({ newClient, connected, coordination }: ContractContext): void {
  describe('sessions', () => {
    test('connect: established once, with id, password, timeout and generation 1', async () => {
      const client = await newClient()
      const sessions = listen(client.coordination)
      expect(client.coordination.session).toBeNull()
      expect(client.coordination.isConnected).toBe(false)
      await client.coordination.connect()
      await client.coordination.connect()
      expect(sessions.all()).toEqual([{ type: 'established', generation: 1 }])
      expect(client.coordination.isConnected).toBe(true)
      expect(client.coordination.session).toMatchObject({ generation: 1, timeoutMs: 4000 })
      expect(client.coordination.session?.password).toHaveLength(16)
    })

    test('two clients: different sessions', async () => {
      const [one, two] = [await coordination(), await coordination()]
      expect(one.session?.id).not.toBe(two.session?.id)
    })

    test('before connect: NOT_CONNECTED', async () => {
      const { coordination: zk } = await newClient()
      await expectError(zk.get('/a'), 'NOT_CONNECTED', '/a')
      await expectError(zk.create('/a', null), 'NOT_CONNECTED', '/a')
    })

    test('while the connection is cut: NOT_CONNECTED at once, the session is still named', async () => {
      const client = await connected()
      const sessions = listen(client.coordination)
      const session = client.coordination.session
      client.cut()
      expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
      expect(client.coordination.isConnected).toBe(false)
      expect(client.coordination.session?.id).toBe(session?.id)
      await expectError(client.coordination.create('/a', null), 'NOT_CONNECTED', '/a')
      client.heal()
      expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
      expect(client.coordination.session?.id).toBe(session?.id)
      expect(await client.coordination.exists('/a')).toBeNull()
    })

    test('the server ends the session: suspended, expired, established with the next generation', async () => {
      const client = await connected()
      const sessions = listen(client.coordination)
      const before = client.coordination.session
      await client.coordination.create('/e', null, { mode: 'ephemeral' })
      await client.endSession()
      expect(await sessions.take(3)).toEqual([
        { type: 'suspended', generation: 1 },
        { type: 'expired', generation: 1 },
        { type: 'established', generation: 2 },
      ])
      expect(client.coordination.session?.generation).toBe(2)
      expect(client.coordination.session?.id).not.toBe(before?.id)
      expect(await client.coordination.exists('/e')).toBeNull()
    })

    test('expired: no session and no requests until the listeners have settled', async () => {
      const client = await connected()
      const zk = client.coordination
      const sessions = listen(zk)
      const release = Promise.withResolvers<void>()
      const heard = Promise.withResolvers<void>()
      zk.onSessionEvent(async event => {
        if (event.type !== 'expired' || event.generation !== 1) return
        heard.resolve()
        await release.promise
      })
      await client.endSession()
      await heard.promise
      expect(zk.session).toBeNull()
      expect(zk.isConnected).toBe(false)
      await expectError(zk.create('/a', null), 'SESSION_EXPIRED', '/a')
      expect(sessions.all().at(-1)).toEqual({ type: 'expired', generation: 1 })
      release.resolve()
      await sessions.until(event => event.type === 'established')
      await zk.create('/a', null)
    })

    test('expired: watches are gone and are not called', async () => {
      const [client, other] = [await connected(), await coordination()]
      const zk = client.coordination
      await createAll(zk, '/a', '/end')
      const sessions = listen(zk)
      const events = new Queue<WatchEvent>()
      await zk.get('/a', events.push)
      await zk.children('/a', events.push)
      await client.endSession()
      await sessions.until(event => event.type === 'established')
      await zk.get('/end', events.push)
      await other.set('/a', null, 0)
      await other.set('/end', null, 0)
      expect(await events.next()).toEqual({ type: 'data-changed', path: '/end' })
    })

    test('cut for longer than the timeout: expired once without a word from the server, a new session afterwards', async () => {
      const client = await connected({ sessionTimeoutMs: 1000 })
      const zk = client.coordination
      const sessions = listen(zk)
      await zk.create('/e', null, { mode: 'ephemeral' })
      client.cut()
      expect(await sessions.take(2)).toEqual([
        { type: 'suspended', generation: 1 },
        { type: 'expired', generation: 1 },
      ])
      expect(zk.session).toBeNull()
      client.heal()
      expect(await sessions.next()).toEqual({ type: 'established', generation: 2 })
      await zk.create('/after', null)
      await zk.get('/e').catch(() => null)
      expect(sessions.waiting).toBe(0)
    })

    test('expired three times: every generation is told in order', async () => {
      const client = await connected()
      const sessions = listen(client.coordination)
      for (let generation = 1; generation <= 3; generation++) {
        await client.endSession()
        expect(await sessions.take(3)).toEqual([
          { type: 'suspended', generation },
          { type: 'expired', generation },
          { type: 'established', generation: generation + 1 },
        ])
      }
    })

    test('listeners: one throws, one rejects, one was removed: the others hear', async () => {
      const { coordination: zk } = await newClient()
      const removed = new Queue<SessionEvent>()
      zk.onSessionEvent(() => {
        throw new Error('a broken listener')
      })
      zk.onSessionEvent(() => Promise.reject(new Error('a broken listener')))
      zk.onSessionEvent(removed.push)()
      const sessions = listen(zk)
      await zk.connect()
      expect(await sessions.next()).toEqual({ type: 'established', generation: 1 })
      expect(removed.waiting).toBe(0)
    })

    test('close: later requests fail with CLOSED, once more is fine, no event', async () => {
      const client = await connected()
      const zk = client.coordination
      const sessions = listen(zk)
      await zk.close()
      await zk.close()
      expect(zk.session).toBeNull()
      expect(zk.isConnected).toBe(false)
      await expectError(zk.get('/a'), 'CLOSED', '/a')
      await expectError(zk.connect(), 'CLOSED')
      expect(sessions.all()).toEqual([])
    })

    test('close: before connect: resolves', async () => {
      const { coordination: zk } = await newClient()
      await zk.close()
      await expectError(zk.connect(), 'CLOSED')
    })

    test('close: while the connection is cut: resolves', async () => {
      const client = await connected()
      const sessions = listen(client.coordination)
      client.cut()
      await sessions.until(event => event.type === 'suspended')
      await client.coordination.close()
      await expectError(client.coordination.get('/a'), 'CLOSED')
    })

    test('close: requests sent before it: answered', async () => {
      const zk = await coordination()
      const created = zk.create('/a', null)
      const closed = zk.close()
      expect(await created).toBe('/a')
      await closed
      expect(await (await coordination()).exists('/a')).not.toBeNull()
    })
  })
}
