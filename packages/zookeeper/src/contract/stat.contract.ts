import { describe, expect, test } from '@jest/globals'
import type { ContractContext } from './context.contract.ts'
import { bytes, createAll, statOf } from './expectations.contract.ts'

export function statContract({ coordination }: ContractContext): void {
  describe('stat', () => {
    test('create: zxids and times agree, counters are zero', async () => {
      const zk = await coordination()
      await zk.create('/a', bytes('four'))
      const { stat } = await zk.get('/a')
      expect(stat).toMatchObject({
        version: 0,
        childVersion: 0,
        aclVersion: 0,
        ephemeralOwner: 0n,
        dataLength: 4,
        childCount: 0,
      })
      expect([stat.mzxid, stat.pzxid]).toEqual([stat.czxid, stat.czxid])
      expect(stat.czxid).toBeGreaterThan(0)
      expect(stat.modifiedMs).toBe(stat.createdMs)
      expect(stat.createdMs).toBeGreaterThan(Date.UTC(2001))
    })

    test('set: mzxid and version grow, czxid and pzxid stay', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      const before = await statOf(zk, '/a')
      const after = await zk.set('/a', bytes('x'), 0)
      expect(after.mzxid).toBeGreaterThan(before.mzxid)
      expect(after).toMatchObject({ czxid: before.czxid, pzxid: before.pzxid, version: 1, dataLength: 1 })
      expect(await statOf(zk, '/a')).toEqual(after)
    })

    test('children: creating and deleting them moves childVersion, pzxid and childCount only', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      const before = await statOf(zk, '/a')
      await zk.create('/a/b', null)
      const created = await statOf(zk, '/a')
      expect(created).toEqual({ ...before, childVersion: 1, childCount: 1, pzxid: (await statOf(zk, '/a/b')).czxid })
      await zk.delete('/a/b', 0)
      const deleted = await statOf(zk, '/a')
      expect(deleted).toEqual({ ...before, childVersion: 2, childCount: 0, pzxid: deleted.pzxid })
      expect(deleted.pzxid).toBeGreaterThan(created.pzxid)
    })

    test('grandchildren and data of children: the grandparent stays as it was', async () => {
      const zk = await coordination()
      await createAll(zk, '/a', '/a/b')
      const before = await statOf(zk, '/a')
      await zk.create('/a/b/c', null)
      await zk.set('/a/b', bytes('x'), 0)
      expect(await statOf(zk, '/a')).toEqual(before)
    })

    test('zxids: writes of two clients by turns: strictly growing', async () => {
      const [one, two] = [await coordination(), await coordination()]
      const zxids: number[] = []
      for (let index = 0; index < 5; index++) {
        await one.create(`/one-${index}`, null)
        zxids.push((await statOf(one, `/one-${index}`)).czxid)
        await two.create(`/two-${index}`, null)
        zxids.push((await statOf(two, `/two-${index}`)).czxid)
      }
      expect(zxids).toEqual([...new Set(zxids)].sort((left, right) => left - right))
    })
  })
}
