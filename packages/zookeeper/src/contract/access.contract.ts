import { describe, expect, test } from '@jest/globals'
import { AnyVersion, openAcl } from '../coordination.ts'
import type { Acl, Credential, Operation } from '../coordination.ts'
import type { ContractContext } from './context.contract.ts'
import { bytes, expectError, listen, statOf } from './expectations.contract.ts'

export function accessContract({ connected, coordination }: ContractContext): void {
  describe('access', () => {
    const alice: Credential = { scheme: 'digest', auth: 'alice:secret' }
    /** base64(sha1('alice:secret')) */
    const aliceId = 'alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E='
    const ownedAcl: readonly Acl[] = [
      { scheme: 'auth', id: '', permissions: 31 },
      { scheme: 'world', id: 'anyone', permissions: 1 },
    ]

    test('create: default: open to all', async () => {
      const zk = await coordination()
      await zk.create('/a', null)
      expect((await zk.getAcl('/a')).acl).toEqual(openAcl)
    })

    test('create: creator all, world read: others read, and nothing else', async () => {
      const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
      await owner.create('/a', bytes('x'), { acl: ownedAcl })
      await owner.create('/a/b', null, { acl: ownedAcl })
      expect((await other.get('/a')).data).toEqual(bytes('x'))
      expect(await other.children('/a')).toEqual(['b'])
      await expectError(other.set('/a', null, 0), 'NO_AUTH', '/a')
      await expectError(other.create('/a/c', null), 'NO_AUTH', '/a/c')
      await expectError(other.delete('/a/b', 0), 'NO_AUTH', '/a/b')
      await expectError(other.setAcl('/a', openAcl, AnyVersion), 'NO_AUTH', '/a')
      await owner.set('/a', null, 0)
      await owner.delete('/a/b', 0)
    })

    test('create: no read for the world: NO_AUTH for every read of what is there', async () => {
      const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
      await owner.create('/a', bytes('x'), { acl: [{ scheme: 'auth', id: '', permissions: 31 }] })
      await expectError(other.get('/a'), 'NO_AUTH', '/a')
      await expectError(other.children('/a'), 'NO_AUTH', '/a')
      await expectError(other.getAcl('/a'), 'NO_AUTH', '/a')
      await expectError(other.exists('/a'), 'NO_AUTH', '/a')
      expect(await other.exists('/b')).toBeNull()
    })

    test('multi: one operation without permission: NO_AUTH with its index', async () => {
      const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
      await owner.create('/a', null, { acl: ownedAcl })
      const operations: Operation[] = [
        { op: 'create', path: '/b', data: null },
        { op: 'set', path: '/a', data: null, version: 0 },
      ]
      expect((await expectError(other.multi(operations), 'NO_AUTH', '/a')).failedIndex).toBe(1)
      expect(await other.exists('/b')).toBeNull()
    })

    test('getAcl: `auth` was replaced by the digest; who may not administer does not see the hash', async () => {
      const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
      await owner.create('/a', null, { acl: ownedAcl })
      const world: Acl = { scheme: 'world', id: 'anyone', permissions: 1 }
      expect((await owner.getAcl('/a')).acl).toEqual([{ scheme: 'digest', id: aliceId, permissions: 31 }, world])
      expect((await other.getAcl('/a')).acl).toEqual([{ scheme: 'digest', id: 'alice:x', permissions: 31 }, world])
    })

    test('a digest named in the ACL: lets in who proves it', async () => {
      const [creator, owner] = [await coordination(), await coordination({ auth: [alice] })]
      await creator.create('/a', bytes('x'), { acl: [{ scheme: 'digest', id: aliceId, permissions: 1 }] })
      expect((await owner.get('/a')).data).toEqual(bytes('x'))
      await expectError(creator.get('/a'), 'NO_AUTH', '/a')
      await expectError(owner.set('/a', null, 0), 'NO_AUTH', '/a')
    })

    test('setAcl: expected version 0: applied, aclVersion 1; again: BAD_VERSION', async () => {
      const zk = await coordination({ auth: [alice] })
      await zk.create('/a', null)
      const before = await statOf(zk, '/a')
      expect(await zk.setAcl('/a', ownedAcl, 0)).toEqual({ ...before, aclVersion: 1 })
      await expectError(zk.setAcl('/a', ownedAcl, 0), 'BAD_VERSION', '/a')
      expect((await zk.setAcl('/a', openAcl, AnyVersion)).aclVersion).toBe(2)
      await expectError(zk.setAcl('/b', openAcl, AnyVersion), 'NO_NODE', '/b')
    })

    test.each<[string, Acl[]]>([
      ['`auth` without credentials', [{ scheme: 'auth', id: '', permissions: 31 }]],
      ['unknown scheme', [{ scheme: 'nobody', id: 'x', permissions: 31 }]],
      ['digest that is none', [{ scheme: 'digest', id: 'alice', permissions: 31 }]],
      ['world, but not anyone', [{ scheme: 'world', id: 'someone', permissions: 31 }]],
      ['no entries', []],
    ])('ACL: %s: INVALID_ACL', async (_what, acl) => {
      const zk = await coordination()
      await zk.create('/b', null)
      await expectError(zk.create('/a', null, { acl }), 'INVALID_ACL', '/a')
      await expectError(zk.setAcl('/b', acl, AnyVersion), 'INVALID_ACL', '/b')
      await expectError(zk.multi([{ op: 'create', path: '/a', data: null, acl }]), 'INVALID_ACL', '/a')
    })

    test('credentials: still proved when the connection comes back, and in the next session', async () => {
      const client = await connected({ auth: [alice] })
      const zk = client.coordination
      const sessions = listen(zk)
      await zk.create('/a', null, { acl: [{ scheme: 'auth', id: '', permissions: 31 }] })
      const reads: Promise<unknown>[] = []
      zk.onSessionEvent(event => {
        if (event.type === 'resumed' || event.type === 'established') reads.push(zk.get('/a'))
      })
      client.cut()
      await sessions.until(event => event.type === 'suspended')
      client.heal()
      await sessions.until(event => event.type === 'resumed')
      await Promise.all(reads)
      await client.endSession()
      await sessions.until(event => event.type === 'established')
      await Promise.all(reads)
      expect(reads).toHaveLength(2)
    })
  })
}
