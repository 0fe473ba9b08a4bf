import { describe, expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import type { Coordination } from '@millrace/zookeeper/coordination'
import { FormerSession } from './former-session.ts'
import { readSessionFile, removeSessionFile, writeSessionFile, type StoredSession } from './session-file.ts'

const servers = 'z1:2181,z2:2181/chroot'
const session: StoredSession = { id: -0x7123456789abcdefn, password: Buffer.from('0123456789abcdef') }

function folder(): MemoryFiles {
  const files = new MemoryFiles()
  files.makeDirectory('/data')
  return files
}

describe('session file', () => {
  test('what was written is read; a session id is 64 bits with a sign', () => {
    const files = folder()
    writeSessionFile(files, '/data', servers, session)
    const found = readSessionFile(files, '/data', servers)
    expect(found?.id).toBe(session.id)
    expect(Buffer.from(found!.password).equals(session.password)).toBe(true)
    removeSessionFile(files, '/data')
    expect(readSessionFile(files, '/data', servers)).toBeNull()
    removeSessionFile(files, '/data')
  })

  test('another ensemble: the password is not for it', () => {
    const files = folder()
    writeSessionFile(files, '/data', servers, session)
    expect(readSessionFile(files, '/data', 'elsewhere:2181')).toBeNull()
  })

  test.each([
    '',
    'version=2\n',
    `version=1\nservers=${servers}\n`,
    `version=1\nservers=${servers}\nid=xyz\npassword=\n`,
  ])('content %j: as if there were none', content => {
    const files = folder()
    files.replaceFile('/data/millrace.session', Buffer.from(content))
    expect(readSessionFile(files, '/data', servers)).toBeNull()
  })
})

describe('former session', () => {
  const start = (files: MemoryFiles, coordination: Coordination, ended: StoredSession[]): FormerSession =>
    new FormerSession({
      ...{ coordination, files, servers, directories: ['/data'], logger: silentLogger },
      endSession: stored => {
        ended.push(stored)
        return Promise.resolve(true)
      },
    })

  test('killed and started again: the former session is ended, the new one is kept', async () => {
    const world = new VirtualTree()
    const files = folder()
    const [first, second] = [await world.client(), await world.client()]
    const ended: StoredSession[] = []
    await start(files, first, ended).replace()
    expect(ended).toEqual([])
    await start(files, second, ended).replace()
    expect(ended.map(({ id }) => id)).toEqual([first.session!.id])
    expect(readSessionFile(files, '/data', servers)?.id).toBe(second.session!.id)
  })

  test('stopped in order: nothing is left to end', async () => {
    const world = new VirtualTree()
    const files = folder()
    const ended: StoredSession[] = []
    const former = start(files, await world.client(), ended)
    await former.replace()
    former.forget()
    await start(files, await world.client(), ended).replace()
    expect(ended).toEqual([])
  })

  test('ZooKeeper does not answer: the broker starts all the same', async () => {
    const world = new VirtualTree()
    const files = folder()
    writeSessionFile(files, '/data', servers, session)
    const coordination = await world.client()
    const former = new FormerSession({
      ...{ coordination, files, servers, directories: ['/data'], logger: silentLogger },
      endSession: () => Promise.reject(new Error('no server')),
    })
    await former.replace()
    expect(readSessionFile(files, '/data', servers)?.id).toBe(coordination.session!.id)
  })
})
