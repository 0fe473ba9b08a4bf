import { describe, expect, test } from '@jest/globals'
import { CoordinationError } from '../coordination.ts'
import type { Coordination } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { bytes, statOf } from './expectations.contract.ts'

export function orderContract({ coordination }: ContractContext): void {
  describe('order', () => {
    test('a thousand requests without waiting: applied and answered in order', async () => {
      const zk = await coordination()
      const answers: number[] = []
      const requests = Array.from({ length: 1000 }, async (_, index) => {
        await zk.create(`/${index}`, null)
        answers.push(index)
      })
      await Promise.all(requests)
      expect(answers).toEqual(Array.from({ length: 1000 }, (_, index) => index))
      const zxids = await Promise.all(answers.map(async index => (await statOf(zk, `/${index}`)).czxid))
      expect(zxids).toEqual(zxids.toSorted((left, right) => left - right))
    })

    test('reads and writes without waiting: each read sees the writes before it and none after', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      const versions: Promise<number>[] = []
      for (let version = 0; version < 100; version++) {
        void zk.set('/a', null, version)
        versions.push(zk.get('/a').then(({ stat }) => stat.version))
      }
      expect(await Promise.all(versions)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    })

    test('errors and answers without waiting: in the order of the calls', async () => {
      const zk = await coordination()
      const order: string[] = []
      const note = (what: string) => (): void => void order.push(what)
      await Promise.all([
        zk.create('/a', null).then(note('created')),
        zk.create('/a', null).catch(note('exists')),
        zk.get('bad path').catch(note('bad path')),
        zk.exists('/a').then(note('seen')),
        zk.get('/b').catch(note('missing')),
        zk.delete('/a', 0).then(note('deleted')),
      ])
      expect(order.filter(what => what !== 'bad path')).toEqual(['created', 'exists', 'seen', 'missing', 'deleted'])
      expect(order).toContain('bad path')
    })

    test('ten clients add one to a counter with exact versions: no update is lost', async () => {
      const all = await Promise.all(Array.from({ length: 10 }, () => coordination()))
      await all[0]!.create('/counter', bytes('0'))
      const addOne = async (zk: Coordination): Promise<void> => {
        for (;;) {
          const { data, stat } = await zk.get('/counter')
          try {
            await zk.set('/counter', bytes(String(Number(data.toString()) + 1)), stat.version)
            return
          } catch (error) {
            if (!(error instanceof CoordinationError) || error.code !== 'BAD_VERSION') throw error
          }
        }
      }
      await Promise.all(all.map(zk => addOne(zk)))
      const { data, stat } = await all[0]!.get('/counter')
      expect([data.toString(), stat.version]).toEqual(['10', 10])
    })

    test('ten clients race for one ephemeral path: one wins', async () => {
      const all = await Promise.all(Array.from({ length: 10 }, () => coordination()))
      const won = await Promise.all(
        all.map(zk =>
          zk.create('/controller', null, { mode: 'ephemeral' }).then(
            () => true,
            () => false,
          ),
        ),
      )
      expect(won.filter(Boolean)).toHaveLength(1)
      expect((await statOf(all[0]!, '/controller')).ephemeralOwner).toBe(all[won.indexOf(true)]?.session?.id)
    })
  })
}
