import { describe, expect, test } from '@jest/globals'
import type { WatchEvent } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { bytes, expectError, listen, Queue } from './expectations.contract.ts'

export function chrootContract({ connected, coordination, chroot }: ContractContext): void {
  describe('chroot', () => {
    test('missing: made at connect, with the znodes above it', async () => {
      const below = await coordination({ chroot: `${chroot()}/x/y` })
      expect(await below.children('/')).toEqual([])
      const above = await coordination()
      expect(await above.children('/x')).toEqual(['y'])
      await coordination({ chroot: `${chroot()}/x/y` })
    })

    test('paths, results, events and errors: without it', async () => {
      const [below, above] = [await coordination({ chroot: `${chroot()}/x` }), await coordination()]
      const events = new Queue<WatchEvent>()
      expect(await below.exists('/a', events.push)).toBeNull()
      await below.children('/', events.push)
      await above.create('/x/a', bytes('1'))
      expect(await events.take(2)).toEqual([
        { type: 'created', path: '/a' },
        { type: 'children-changed', path: '/' },
      ])
      expect(await below.create('/b', null)).toBe('/b')
      expect(await below.multi([{ op: 'create', path: '/c', data: null }])).toEqual([{ path: '/c' }])
      expect(await below.children('/')).toEqual(['a', 'b', 'c'])
      expect(await above.children('/x')).toEqual(['a', 'b', 'c'])
      await expectError(below.create('/a', null), 'NODE_EXISTS', '/a')
      await expectError(below.multi([{ op: 'delete', path: '/d', version: 0 }]), 'NO_NODE', '/d')
    })

    test('two of them, one the beginning of the other: apart', async () => {
      const [one, two] = [
        await coordination({ chroot: `${chroot()}/x` }),
        await coordination({ chroot: `${chroot()}/xy` }),
      ]
      const events = new Queue<WatchEvent>()
      await one.exists('/a', events.push)
      await two.create('/a', null)
      expect(await one.exists('/a')).toBeNull()
      await one.create('/a', null)
      expect(await events.next()).toEqual({ type: 'created', path: '/a' })
      expect(events.waiting).toBe(0)
    })

    test('after expiry: the next session has it too', async () => {
      const client = await connected({ chroot: `${chroot()}/x` })
      const sessions = listen(client.coordination)
      await client.endSession()
      await sessions.until(event => event.type === 'established')
      expect(await client.coordination.create('/a', null)).toBe('/a')
      expect(await (await coordination()).children('/x')).toEqual(['a'])
    })
  })
}
