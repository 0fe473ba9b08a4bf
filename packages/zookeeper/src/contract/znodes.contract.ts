import { describe, expect, test } from '@jest/globals'
import { AnyVersion } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { bytes, createAll, expectError } from './expectations.contract.ts'

export function znodeContract({ coordination }: ContractContext): void {
  describe('create, read, write, delete', () => {
    test('create: new path: answers it, data and version 0 are there', async () => {
      const zk = await coordination()
      expect(await zk.create('/a', bytes('one'))).toBe('/a')
      const { data, stat } = await zk.get('/a')
      expect(data).toEqual(bytes('one'))
      expect(stat.version).toBe(0)
    })

    test('create: null data: reads as empty', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      const { data, stat } = await zk.get('/a')
      expect(data).toHaveLength(0)
      expect(stat.dataLength).toBe(0)
    })

    test('create: missing parent: NO_NODE with the path', async () => {
      const zk = await coordination()
      await expectError(zk.create('/a/b', null), 'NO_NODE', '/a/b')
    })

    test('create: path is there: NODE_EXISTS, data stays', async () => {
      const zk = await coordination()
      await zk.create('/a', bytes('one'))
      await expectError(zk.create('/a', bytes('two')), 'NODE_EXISTS', '/a')
      expect((await zk.get('/a')).data).toEqual(bytes('one'))
    })

    test('create: the root: NODE_EXISTS', async () => {
      const zk = await coordination()
      await expectError(zk.create('/', null), 'NODE_EXISTS', '/')
    })

    test('create: data changed by the caller afterwards: the tree keeps what was handed in', async () => {
      const zk = await coordination()
      const data = bytes('one')
      const created = zk.create('/a', data)
      data.fill(0)
      await created
      expect((await zk.get('/a')).data).toEqual(bytes('one'))
    })

    test('get, children, getAcl: missing path: NO_NODE', async () => {
      const zk = await coordination()
      await expectError(zk.get('/a'), 'NO_NODE', '/a')
      await expectError(zk.children('/a'), 'NO_NODE', '/a')
      await expectError(zk.getAcl('/a'), 'NO_NODE', '/a')
    })

    test.each([3, 40])('getMany: %d paths: what each holds, null where nothing is', async count => {
      const zk = await coordination()
      const paths = Array.from({ length: count }, (_, index) => `/znode-${index}-ä`)
      const isThere = (index: number): boolean => index % 3 !== 1
      await createAll(zk, ...paths.filter((_, index) => isThere(index)))
      await zk.set(paths[2]!, bytes('two'), 0)
      const found = await zk.getMany(paths)
      expect(found).toHaveLength(count)
      for (const [index, znode] of found.entries()) {
        if (isThere(index)) expect(znode).toEqual(await zk.get(paths[index]!))
        else expect(znode).toBeNull()
      }
      expect(found[2]).toMatchObject({ data: bytes('two'), stat: { version: 1 } })
      expect(await zk.getMany([])).toEqual([])
    })

    test('exists: missing path: null', async () => {
      const zk = await coordination()
      expect(await zk.exists('/a')).toBeNull()
    })

    test('set: expected version 0 is the version: applied, version 1', async () => {
      const zk = await coordination()
      await zk.create('/a', bytes('one'))
      expect((await zk.set('/a', bytes('two'), 0)).version).toBe(1)
      expect((await zk.get('/a')).data).toEqual(bytes('two'))
    })

    test('set: expected version 0, version is 1: BAD_VERSION, data stays', async () => {
      const zk = await coordination()
      await zk.create('/a', bytes('one'))
      await zk.set('/a', bytes('two'), 0)
      await expectError(zk.set('/a', bytes('three'), 0), 'BAD_VERSION', '/a')
      expect((await zk.get('/a')).data).toEqual(bytes('two'))
    })

    test('set: expected version above the version: BAD_VERSION', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      await expectError(zk.set('/a', null, 1), 'BAD_VERSION', '/a')
    })

    test('set: any version: applied each time', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      await zk.set('/a', bytes('one'), AnyVersion)
      expect((await zk.set('/a', bytes('two'), AnyVersion)).version).toBe(2)
    })

    test('set: null data: reads as empty', async () => {
      const zk = await coordination()
      await zk.create('/a', bytes('one'))
      expect((await zk.set('/a', null, 0)).dataLength).toBe(0)
      expect((await zk.get('/a')).data).toHaveLength(0)
    })

    test('set: missing path: NO_NODE', async () => {
      const zk = await coordination()
      await expectError(zk.set('/a', null, AnyVersion), 'NO_NODE', '/a')
    })

    test('delete: expected version 0 is the version: gone', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      await zk.delete('/a', 0)
      expect(await zk.exists('/a')).toBeNull()
    })

    test('delete: expected version 0, version is 1: BAD_VERSION, still there', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      await zk.set('/a', null, 0)
      await expectError(zk.delete('/a', 0), 'BAD_VERSION', '/a')
      expect(await zk.exists('/a')).not.toBeNull()
    })

    test('delete: missing path: NO_NODE', async () => {
      const zk = await coordination()
      await expectError(zk.delete('/a', AnyVersion), 'NO_NODE', '/a')
    })

    test('delete: children left: NOT_EMPTY', async () => {
      const zk = await coordination()
      await createAll(zk, '/a', '/a/b')
      await expectError(zk.delete('/a', AnyVersion), 'NOT_EMPTY', '/a')
    })

    test('create: after a deletion: a new znode with version 0', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      const before = await zk.set('/a', null, 0)
      await zk.delete('/a', 1)
      await zk.create('/a', null)
      const { stat } = await zk.get('/a')
      expect(stat.version).toBe(0)
      expect(stat.czxid).toBeGreaterThan(before.mzxid)
    })

    test('children: names, not paths, sorted', async () => {
      const zk = await coordination()
      await createAll(zk, '/a', '/a/c', '/a/b', '/a/b/x', '/a/10', '/a/9')
      expect(await zk.children('/a')).toEqual(['10', '9', 'b', 'c'])
      expect(await zk.children('/a/c')).toEqual([])
    })

    test('children: five thousand of them: all are listed', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      const names = Array.from({ length: 5000 }, (_, index) => `child-${String(index).padStart(5, '0')}`)
      await Promise.all(names.map(each => zk.create(`/a/${each}`, null)))
      expect(await zk.children('/a')).toEqual(names)
    })

    test.each([
      '',
      'a',
      '/a/',
      '//a',
      '/a//b',
      '/a/./b',
      '/a/..',
      '/.',
      '/a\u0000',
      '/a\u001f',
      '/a\ud83d\ude00',
      '/a\uf000',
      '/a\uffff',
    ])('paths: %j: BAD_ARGUMENTS from every call', async path => {
      const zk = await coordination()
      await expectError(zk.create(path, null), 'BAD_ARGUMENTS', path)
      await expectError(zk.get(path), 'BAD_ARGUMENTS', path)
      await expectError(zk.exists(path), 'BAD_ARGUMENTS', path)
      await expectError(zk.set(path, null, AnyVersion), 'BAD_ARGUMENTS', path)
      await expectError(zk.delete(path, AnyVersion), 'BAD_ARGUMENTS', path)
      await expectError(zk.children(path), 'BAD_ARGUMENTS', path)
      await expectError(zk.multi([{ op: 'check', path, version: AnyVersion }]), 'BAD_ARGUMENTS', path)
    })

    test.each(['/a b', '/.a', '/..a', '/a.', '/größe', '/名前', '/a%2F', '/<default>', '/a:1'])(
      'paths: %j: a name like any other',
      async path => {
        const zk = await coordination()
        expect(await zk.create(path, bytes(path))).toBe(path)
        expect(await zk.children('/')).toEqual([path.slice(1)])
        expect((await zk.get(path)).data).toEqual(bytes(path))
      },
    )

    test('data: 800 KiB: written and read whole', async () => {
      const zk = await coordination()
      const data = Buffer.alloc(800 * 1024, 'millrace ')
      await zk.create('/a', data)
      expect((await zk.get('/a')).data.equals(data)).toBe(true)
      await zk.set('/a', data.subarray(1), 0)
      expect((await zk.get('/a')).data.equals(data.subarray(1))).toBe(true)
    })

    test('data: above the limit of a request: BAD_ARGUMENTS, the session lives on', async () => {
      const zk = await coordination()
      await expectError(zk.create('/a', Buffer.alloc(1024 * 1024)), 'BAD_ARGUMENTS', '/a')
      await zk.create('/a', null)
      expect(zk.session?.generation).toBe(1)
    })
  })
}
