import { describe, expect, test } from '@jest/globals'
import { AnyVersion } from '../coordination.ts'
import type { Coordination, CoordinationErrorCode, Operation } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { bytes, createAll, expectError, snapshotOf, statOf } from './expectations.contract.ts'

export function multiContract({ coordination }: ContractContext): void {
  describe('multi', () => {
    test('every kind of operation: all applied, one result each', async () => {
      const zk = await coordination()
      await createAll(zk, '/checked', '/set', '/deleted')
      const results = await zk.multi([
        { op: 'check', path: '/checked', version: 0 },
        { op: 'create', path: '/created', data: bytes('new') },
        { op: 'set', path: '/set', data: bytes('changed'), version: 0 },
        { op: 'delete', path: '/deleted', version: 0 },
      ])
      expect(results).toEqual([{}, { path: '/created' }, { stat: await statOf(zk, '/set') }, {}])
      expect(await zk.children('/')).toEqual(['checked', 'created', 'set'])
      expect((await zk.get('/set')).data).toEqual(bytes('changed'))
    })

    test('all operations: one zxid', async () => {
      const zk = await coordination()
      await zk.multi([
        { op: 'create', path: '/a', data: null },
        { op: 'create', path: '/b', data: null },
      ])
      expect((await statOf(zk, '/a')).czxid).toBe((await statOf(zk, '/b')).czxid)
    })

    test.each<[CoordinationErrorCode, string, Operation]>([
      ['BAD_VERSION', 'check of version 0 that is 1', { op: 'check', path: '/one', version: 0 }],
      ['BAD_VERSION', 'set of version 0 that is 1', { op: 'set', path: '/one', data: null, version: 0 }],
      ['BAD_VERSION', 'delete of version 0 that is 1', { op: 'delete', path: '/one', version: 0 }],
      ['NO_NODE', 'check of a missing path', { op: 'check', path: '/missing', version: 0 }],
      ['NO_NODE', 'check of any version of a missing path', { op: 'check', path: '/missing', version: AnyVersion }],
      ['NO_NODE', 'set of a missing path', { op: 'set', path: '/missing', data: null, version: AnyVersion }],
      ['NODE_EXISTS', 'create of a path that is there', { op: 'create', path: '/one', data: null }],
      ['NOT_EMPTY', 'delete of a parent', { op: 'delete', path: '/parent', version: AnyVersion }],
    ])('one fails: %s: %s: failedIndex, nothing applied', async (code, _what, failing) => {
      const zk = await coordination()
      await createAll(zk, '/one', '/parent', '/parent/child', '/set', '/deleted')
      await zk.set('/one', null, 0)
      const before = await snapshotOf(zk)
      const operations: Operation[] = [
        { op: 'create', path: '/created', data: null },
        { op: 'set', path: '/set', data: bytes('x'), version: 0 },
        { op: 'delete', path: '/deleted', version: 0 },
        failing,
        { op: 'create', path: '/later', data: null },
      ]
      const error = await expectError(zk.multi(operations), code, failing.path)
      expect(error.failedIndex).toBe(3)
      expect(await snapshotOf(zk)).toEqual(before)
    })

    test('first operation fails: failedIndex 0', async () => {
      const zk = await coordination()
      const operations: Operation[] = [
        { op: 'check', path: '/missing', version: 0 },
        { op: 'create', path: '/a', data: null },
      ]
      expect((await expectError(zk.multi(operations), 'NO_NODE')).failedIndex).toBe(0)
    })

    test('later operations see earlier ones: parent then child, create then set at version 0', async () => {
      const zk = await coordination()
      const results = await zk.multi([
        { op: 'create', path: '/a', data: null, mode: 'ephemeral' },
        { op: 'set', path: '/a', data: bytes('x'), version: 0 },
        { op: 'create', path: '/p', data: null },
        { op: 'create', path: '/p/c', data: null },
        { op: 'delete', path: '/p/c', version: 0 },
        { op: 'check', path: '/a', version: 1 },
      ])
      expect(results[1]?.stat).toMatchObject({ version: 1, dataLength: 1, ephemeralOwner: zk.session?.id })
      expect(results[1]?.stat?.czxid).toBe(results[1]?.stat?.mzxid)
      expect(await statOf(zk, '/p')).toMatchObject({ childCount: 0, childVersion: 2 })
    })

    test('no operations: no results', async () => {
      const zk = await coordination()
      expect(await zk.multi([])).toEqual([])
    })

    test('two thousand operations: all applied', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      await zk.multi(
        Array.from({ length: 2000 }, (_, index): Operation => ({
          op: 'create',
          path: `/a/${index}`,
          data: bytes('x'),
        })),
      )
      expect((await statOf(zk, '/a')).childCount).toBe(2000)
    })

    test('above the limit of a request: BAD_ARGUMENTS, nothing applied, the session lives on', async () => {
      const zk = await coordination()
      const operations = Array.from({ length: 20 }, (_, index): Operation => ({
        op: 'create',
        path: `/${index}`,
        data: Buffer.alloc(50_000),
      }))
      await expectError(zk.multi(operations), 'BAD_ARGUMENTS')
      expect(await zk.children('/')).toEqual([])
      expect(zk.session?.generation).toBe(1)
    })

    test('a write fenced by an old version: fails, and the new owner writes', async () => {
      const [old, next] = [await coordination(), await coordination()]
      await createAll(old, '/epoch', '/state')
      const fenced = (zk: Coordination, epoch: number, data: string): Promise<unknown> =>
        zk.multi([
          { op: 'check', path: '/epoch', version: epoch },
          { op: 'set', path: '/state', data: bytes(data), version: AnyVersion },
        ])
      await fenced(old, 0, 'old')
      await next.set('/epoch', bytes('1'), 0)
      const error = await expectError(fenced(old, 0, 'zombie'), 'BAD_VERSION', '/epoch')
      expect(error.failedIndex).toBe(0)
      await fenced(next, 1, 'next')
      expect((await old.get('/state')).data).toEqual(bytes('next'))
    })

    test('a deposition prepared against the old holder: fails after a new election, though the new znode has the same version', async () => {
      const [outsider, old, next] = [await coordination(), await coordination(), await coordination()]
      await createAll(outsider, '/epoch')
      const elect = (zk: Coordination, version: number): Promise<unknown> =>
        zk.multi([
          { op: 'create', path: '/holder', data: null, mode: 'ephemeral' },
          { op: 'set', path: '/epoch', data: null, version },
        ])
      const depose = (version: number): Promise<unknown> =>
        outsider.multi([
          { op: 'check', path: '/epoch', version },
          { op: 'delete', path: '/holder', version: AnyVersion },
        ])
      await elect(old, 0)
      const prepared = (await outsider.get('/epoch')).stat.version
      const holder = await statOf(outsider, '/holder')
      await old.close()
      await elect(next, prepared)
      expect((await statOf(next, '/holder')).version).toBe(holder.version)
      const error = await expectError(depose(prepared), 'BAD_VERSION', '/epoch')
      expect(error.failedIndex).toBe(0)
      expect((await statOf(next, '/holder')).ephemeralOwner).toBe(next.session!.id)
      await depose(prepared + 1)
      expect(await next.exists('/holder')).toBeNull()
    })
  })
}
