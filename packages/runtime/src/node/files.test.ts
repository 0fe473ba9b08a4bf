import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { nodeWorld } from './world.ts'

const { files } = nodeWorld()
let folder = ''
beforeAll(() => {
  folder = fs.mkdtempSync(join(os.tmpdir(), 'millrace-files-'))
})
afterAll(() => fs.rmSync(folder, { recursive: true }))

const bytes = (text: string): Buffer => Buffer.from(text)

describe('files', () => {
  test('create, write, read, truncate, reopen: the bytes are there', async () => {
    const path = join(folder, 'log')
    const file = files.open(path, 'create')
    expect(file.write(bytes('xhello'), 1, 5, 0)).toBe(5)
    expect(file.write(bytes(' world'), 0, 6, 5)).toBe(6)
    file.datasync()
    await file.datasyncAsync()
    const target = Buffer.alloc(20)
    expect(file.read(target, 2, 18, 6)).toBe(5)
    expect(target.subarray(2, 7).toString()).toBe('world')
    expect(await file.readAsync(target, 0, 20, 0)).toBe(11)
    expect(file.read(target, 0, 5, 100)).toBe(0)
    file.truncate(5)
    expect(file.size()).toBe(5)
    file.setModifiedMs(1_500_000_000_250)
    expect(files.stat(path)!.modifiedMs).toBeCloseTo(1_500_000_000_250, 0)
    file.close()
    file.close()
    const again = files.open(path, 'create')
    expect(again.size()).toBe(5)
    again.close()
    expect(files.readFile(path).toString()).toBe('hello')
  })

  test.each([
    ['open', 'ENOENT', () => files.open(join(folder, 'none'), 'read')],
    ['open', 'ENOENT', () => files.open(join(folder, 'none'), 'read-write')],
    ['open', 'ENOENT', () => files.readFile(join(folder, 'none'))],
    ['scandir', 'ENOENT', () => files.list(join(folder, 'none'))],
    ['unlink', 'ENOENT', () => files.remove(join(folder, 'none'))],
    ['rename', 'ENOENT', () => files.rename(join(folder, 'none'), join(folder, 'other'))],
    ['mkdir', 'ENOTDIR', () => files.makeDirectory(join(folder, 'plain', 'below'))],
    ['open', 'EEXIST', () => files.open(join(folder, 'plain'), 'create-exclusive')],
  ] as const)('%s fails with %s: FileSystemError with path and call', (syscall, code, call) => {
    files.open(join(folder, 'plain'), 'create').close()
    expect(call).toThrow(
      expect.objectContaining({ name: 'FileSystemError', syscall, code, path: expect.stringContaining(folder) }),
    )
  })

  test('closed file: every call fails, none reaches another file', async () => {
    const file = files.open(join(folder, 'closed'), 'create')
    file.close()
    const other = files.open(join(folder, 'victim'), 'create')
    expect(() => file.write(bytes('abc'), 0, 3, 0)).toThrow(expect.objectContaining({ name: 'FileSystemError' }))
    expect(() => file.read(Buffer.alloc(3), 0, 3, 0)).toThrow(expect.objectContaining({ name: 'FileSystemError' }))
    expect(() => file.truncate(0)).toThrow(expect.objectContaining({ name: 'FileSystemError' }))
    await expect(file.readAsync(Buffer.alloc(3), 0, 3, 0)).rejects.toMatchObject({ name: 'FileSystemError' })
    await expect(file.datasyncAsync()).rejects.toMatchObject({ name: 'FileSystemError' })
    expect(other.size()).toBe(0)
    other.close()
  })

  test('full disk: ENOSPC from the write', () => {
    if (!fs.existsSync('/dev/full')) return
    const full = files.open('/dev/full', 'read-write')
    expect(() => full.write(bytes('abc'), 0, 3, 0)).toThrow(
      expect.objectContaining({ code: 'ENOSPC', path: '/dev/full' }),
    )
    full.close()
  })

  test('replaceFile: new content, the asked mode, no leftover; a failure leaves the old content', () => {
    const path = join(folder, 'checkpoint')
    files.replaceFile(path, bytes('one'))
    files.replaceFile(path, bytes('a longer two'), 0o600)
    expect(files.readFile(path).toString()).toBe('a longer two')
    expect(fs.statSync(path).mode & 0o777).toBe(0o600)
    expect(files.list(folder)).not.toContain('checkpoint.tmp')
    fs.mkdirSync(`${path}.tmp`)
    expect(() => files.replaceFile(path, bytes('three'))).toThrow(expect.objectContaining({ code: 'EISDIR' }))
    expect(files.readFile(path).toString()).toBe('a longer two')
  })

  test('folders: made with parents, listed in order, removed whole; no error when there or gone', async () => {
    const path = join(folder, 'a', 'b')
    files.makeDirectory(path)
    files.makeDirectory(path)
    for (const name of ['00002', '00001', '00010']) files.open(join(path, name), 'create').close()
    expect(files.list(path)).toEqual(['00001', '00002', '00010'])
    files.syncDirectory(path)
    expect(files.stat(path)).toMatchObject({ isDirectory: true, isFile: false })
    await files.removeTree(join(folder, 'a'))
    await files.removeTree(join(folder, 'a'))
    expect(files.stat(path)).toBeNull()
  })

  test('space: usable is at most total', () => {
    const { totalBytes, usableBytes } = files.space(folder)
    expect(usableBytes).toBeGreaterThan(0)
    expect(usableBytes).toBeLessThanOrEqual(totalBytes)
  })
})
