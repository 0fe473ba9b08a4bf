import { describe, expect, test } from '@jest/globals'
import type { WatchEvent } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { bytes, expectError, listen, Queue, statOf } from './expectations.contract.ts'

export function ephemeralContract({ connected, coordination }: ContractContext): void {
  describe('ephemeral znodes', () => {
    test('create: the owner is the session', async () => {
      const zk = await coordination()
      await zk.create('/e', null, { mode: 'ephemeral' })
      expect((await statOf(zk, '/e')).ephemeralOwner).toBe(zk.session?.id)
      expect(zk.session?.id).not.toBe(0n)
    })

    test('create below one: NO_CHILDREN_FOR_EPHEMERALS', async () => {
      const zk = await coordination()
      await zk.create('/e', null, { mode: 'ephemeral' })
      await expectError(zk.create('/e/c', null), 'NO_CHILDREN_FOR_EPHEMERALS', '/e/c')
    })

    test('owner closes: gone when close resolves, watchers hear of it', async () => {
      const [owner, other] = [await coordination(), await coordination()]
      await owner.create('/e', null, { mode: 'ephemeral' })
      await owner.create('/p', null)
      const events = new Queue<WatchEvent>()
      await other.exists('/e', events.push)
      await owner.close()
      expect(await events.next()).toEqual({ type: 'deleted', path: '/e' })
      expect(await other.children('/')).toEqual(['p'])
    })

    test('owner dies: gone after the session timeout', async () => {
      const [owner, other] = [await connected({ sessionTimeoutMs: 1000 }), await coordination()]
      await owner.coordination.create('/e', null, { mode: 'ephemeral' })
      const events = new Queue<WatchEvent>()
      await other.exists('/e', events.push)
      owner.die()
      expect(await events.next()).toEqual({ type: 'deleted', path: '/e' })
    })

    test('connection breaks and comes back: still there, same owner', async () => {
      const owner = await connected()
      const sessions = listen(owner.coordination)
      await owner.coordination.create('/e', null, { mode: 'ephemeral' })
      const before = await statOf(owner.coordination, '/e')
      owner.cut()
      expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
      owner.heal()
      expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
      expect(await statOf(owner.coordination, '/e')).toEqual(before)
    })

    test('another client: may set and delete it', async () => {
      const [owner, other] = [await coordination(), await coordination()]
      await owner.create('/e', null, { mode: 'ephemeral' })
      await other.set('/e', bytes('x'), 0)
      await other.delete('/e', 1)
      expect(await owner.exists('/e')).toBeNull()
    })
  })
}
