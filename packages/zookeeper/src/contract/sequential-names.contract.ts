import { describe, expect, test } from '@jest/globals'
import type { Operation } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { createAll, statOf } from './expectations.contract.ts'

export function sequentialNameContract({ coordination }: ContractContext): void {
  describe('sequential names', () => {
    test('create: ten digits that count up, not used again after a deletion', async () => {
      const zk = await coordination()
      await zk.create('/q', null)
      expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000000')
      expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000001')
      await zk.delete('/q/n-0000000001', 0)
      expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000002')
    })

    test('create: children with names of their own count too', async () => {
      const zk = await coordination()
      await createAll(zk, '/q', '/q/a', '/q/b')
      expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000002')
    })

    test('create: prefix that ends with a slash: the name is the number', async () => {
      const zk = await coordination()
      await zk.create('/q', null)
      expect(await zk.create('/q/', null, { mode: 'persistent-sequential' })).toBe('/q/0000000000')
    })

    test('create: ephemeral and sequential: numbered and owned', async () => {
      const zk = await coordination()
      await zk.create('/q', null)
      const path = await zk.create('/q/n-', null, { mode: 'ephemeral-sequential' })
      expect(path).toBe('/q/n-0000000000')
      expect((await statOf(zk, path)).ephemeralOwner).toBe(zk.session?.id)
    })

    test('multi: several in one transaction: consecutive numbers in the results', async () => {
      const zk = await coordination()
      await zk.create('/q', null)
      const create: Operation = { op: 'create', path: '/q/n-', data: null, mode: 'persistent-sequential' }
      expect(await zk.multi([create, create])).toEqual([{ path: '/q/n-0000000000' }, { path: '/q/n-0000000001' }])
    })

    test('create: two clients at once: no number twice', async () => {
      const [one, two] = [await coordination(), await coordination()]
      await one.create('/q', null)
      const paths = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          (index % 2 === 0 ? one : two).create('/q/n-', null, { mode: 'persistent-sequential' }),
        ),
      )
      expect(new Set(paths).size).toBe(100)
      expect((await one.children('/q')).at(-1)).toBe('n-0000000099')
    })
  })
}
