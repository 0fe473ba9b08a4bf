import { describe, expect, test } from '@jest/globals'
import { AnyVersion } from '../coordination.ts'
import type { Operation, WatchEvent } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { createAll, expectError, listen, Queue } from './expectations.contract.ts'

export function watchContract({ connected, coordination }: ContractContext): void {
  describe('watches', () => {
    test('get: data set twice: called once', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await createAll(zk, '/a', '/end')
      const events = new Queue<WatchEvent>()
      await zk.get('/a', events.push)
      await zk.get('/end', events.push)
      await other.set('/a', null, 0)
      await other.set('/a', null, 1)
      await other.set('/end', null, 0)
      expect(await events.take(2)).toEqual([
        { type: 'data-changed', path: '/a' },
        { type: 'data-changed', path: '/end' },
      ])
    })

    test('get: deleted: called', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await zk.create('/a', null)
      const events = new Queue<WatchEvent>()
      await zk.get('/a', events.push)
      await other.delete('/a', 0)
      expect(await events.next()).toEqual({ type: 'deleted', path: '/a' })
    })

    test('exists: missing, then created: called', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      const events = new Queue<WatchEvent>()
      expect(await zk.exists('/a', events.push)).toBeNull()
      await other.create('/a', null)
      expect(await events.next()).toEqual({ type: 'created', path: '/a' })
    })

    test('exists: there, then set: called', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await zk.create('/a', null)
      const events = new Queue<WatchEvent>()
      await zk.exists('/a', events.push)
      await other.set('/a', null, 0)
      expect(await events.next()).toEqual({ type: 'data-changed', path: '/a' })
    })

    test('children: child created, child deleted: called for each registration; not for data or grandchildren', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await createAll(zk, '/a', '/a/b')
      const events = new Queue<WatchEvent>()
      await zk.children('/a', events.push)
      await other.set('/a', null, 0)
      await other.set('/a/b', null, 0)
      await other.create('/a/b/c', null)
      await other.create('/a/d', null)
      expect(await events.next()).toEqual({ type: 'children-changed', path: '/a' })
      expect(await zk.children('/a', events.push)).toEqual(['b', 'd'])
      await other.delete('/a/d', 0)
      expect(await events.next()).toEqual({ type: 'children-changed', path: '/a' })
      expect(events.waiting).toBe(0)
    })

    test('children: the parent itself is deleted: deleted, not children-changed', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await zk.create('/a', null)
      const events = new Queue<WatchEvent>()
      await zk.children('/a', events.push)
      await other.delete('/a', 0)
      expect(await events.next()).toEqual({ type: 'deleted', path: '/a' })
    })

    test('one function on data and children: a deletion calls it once', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await createAll(zk, '/a', '/end')
      const events = new Queue<WatchEvent>()
      await zk.get('/a', events.push)
      await zk.children('/a', events.push)
      await zk.get('/end', events.push)
      await other.delete('/a', 0)
      await other.set('/end', null, 0)
      expect(await events.take(2)).toEqual([
        { type: 'deleted', path: '/a' },
        { type: 'data-changed', path: '/end' },
      ])
    })

    test('several functions on one path: each is called', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await zk.create('/a', null)
      const [first, second] = [new Queue<WatchEvent>(), new Queue<WatchEvent>()]
      await zk.get('/a', first.push)
      await zk.exists('/a', second.push)
      await other.set('/a', null, 0)
      expect(await first.next()).toEqual({ type: 'data-changed', path: '/a' })
      expect(await second.next()).toEqual({ type: 'data-changed', path: '/a' })
    })

    test('get and children of a missing path: no watch is set', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      const events = new Queue<WatchEvent>()
      await expectError(zk.get('/a', events.push), 'NO_NODE')
      await expectError(zk.children('/a', events.push), 'NO_NODE')
      await zk.exists('/end', events.push)
      await createAll(other, '/a', '/a/b', '/end')
      expect(await events.next()).toEqual({ type: 'created', path: '/end' })
    })

    test('several changes: events in the order of the changes', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      const paths = Array.from({ length: 50 }, (_, index) => `/${index}`)
      const events = new Queue<WatchEvent>()
      await Promise.all(paths.map(path => zk.exists(path, events.push)))
      await Promise.all(paths.toReversed().map(path => other.create(path, null)))
      expect(await events.take(50)).toEqual(paths.toReversed().map(path => ({ type: 'created', path })))
    })

    test('one multi: an event per operation, in their order', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await createAll(zk, '/a', '/b')
      const events = new Queue<WatchEvent>()
      await zk.get('/a', events.push)
      await zk.get('/b', events.push)
      await zk.exists('/c', events.push)
      await zk.children('/', events.push)
      await other.multi([
        { op: 'set', path: '/b', data: null, version: 0 },
        { op: 'create', path: '/c', data: null },
        { op: 'delete', path: '/a', version: 0 },
      ])
      expect(await events.take(4)).toEqual([
        { type: 'data-changed', path: '/b' },
        { type: 'created', path: '/c' },
        { type: 'children-changed', path: '/' },
        { type: 'deleted', path: '/a' },
      ])
    })

    test('a multi that fails: nobody hears of it', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await createAll(zk, '/a', '/end')
      const events = new Queue<WatchEvent>()
      await zk.get('/a', events.push)
      await zk.get('/end', events.push)
      const operations: Operation[] = [
        { op: 'set', path: '/a', data: null, version: 0 },
        { op: 'check', path: '/a', version: 7 },
      ]
      await expectError(other.multi(operations), 'BAD_VERSION', '/a')
      await other.set('/end', null, 0)
      expect(await events.next()).toEqual({ type: 'data-changed', path: '/end' })
    })

    test('a read that shows the change: the watch has been called before its answer', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await zk.create('/a', null)
      for (let round = 0; round < 50; round++) {
        let hasFired = false
        await zk.get('/a', () => (hasFired = true))
        const written = other.set('/a', null, round)
        for (let seen = round; seen === round;) {
          seen = (await zk.get('/a')).stat.version
          expect({ seen, hasFired: seen === round ? false : hasFired }).toEqual({ seen, hasFired: seen !== round })
        }
        await written
      }
    })

    test('a read with a watch: its answer comes before the watch is called', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await zk.create('/a', null)
      for (let round = 0; round < 50; round++) {
        const events = new Queue<WatchEvent>()
        const order: string[] = []
        const read = zk.get('/a', event => {
          order.push('watch')
          events.push(event)
        })
        const write = other.set('/a', null, AnyVersion)
        const { stat } = await read
        order.push('answer')
        await write
        if (stat.version === round) await events.next()
        expect(order.slice(0, 2)).toEqual(stat.version === round ? ['answer', 'watch'] : ['answer'])
      }
    })

    test("one's own change: the watch is called before the answer to the write", async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      const order: string[] = []
      await zk.get('/a', () => order.push('watch'))
      await zk.set('/a', null, 0)
      order.push('answer')
      expect(order).toEqual(['watch', 'answer'])
    })

    test('a watcher that throws: others are called, the client goes on', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await createAll(zk, '/a', '/b')
      const events = new Queue<WatchEvent>()
      await zk.get('/a', () => {
        throw new Error('a broken watcher')
      })
      await zk.get('/b', events.push)
      await other.set('/a', null, 0)
      await other.set('/b', null, 0)
      expect(await events.next()).toEqual({ type: 'data-changed', path: '/b' })
      expect(await zk.children('/')).toEqual(['a', 'b'])
    })

    test('a watcher that reads and watches again: sees every change or the last', async () => {
      const [zk, other] = [await coordination(), await coordination()]
      await zk.create('/a', null)
      const versions = new Queue<number>()
      const follow = async (): Promise<void> => {
        versions.push((await zk.get('/a', () => void follow())).stat.version)
      }
      await follow()
      for (let version = 0; version < 20; version++) await other.set('/a', null, version)
      let last = await versions.next()
      while (last < 20) {
        const next = await versions.next()
        expect(next).toBeGreaterThan(last)
        last = next
      }
      expect(last).toBe(20)
    })

    test('changes while the connection is cut: told after it comes back', async () => {
      const [client, other] = [await connected(), await coordination()]
      const zk = client.coordination
      await createAll(zk, '/set', '/deleted', '/parent', '/gone', '/same', '/same/child')
      const sessions = listen(zk)
      const events = new Queue<WatchEvent>()
      for (const path of ['/set', '/deleted', '/same']) await zk.get(path, events.push)
      for (const path of ['/parent', '/gone', '/same']) await zk.children(path, events.push)
      for (const path of ['/created', '/never']) await zk.exists(path, events.push)
      client.cut()
      expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
      await other.set('/set', null, 0)
      await other.delete('/deleted', 0)
      await other.create('/parent/child', null)
      await other.delete('/gone', 0)
      await other.create('/created', null)
      client.heal()
      expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
      const told = await events.take(5)
      expect(told.map(event => `${event.path} ${event.type}`).sort()).toEqual([
        '/created created',
        '/deleted deleted',
        '/gone deleted',
        '/parent children-changed',
        '/set data-changed',
      ])
      await other.set('/same', null, 0)
      expect(await events.next()).toEqual({ type: 'data-changed', path: '/same' })
    })
  })
}
