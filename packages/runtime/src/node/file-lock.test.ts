import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { FileLocked } from '../file-system-error.ts'
import { nodeWorld } from './world.ts'

const { files } = nodeWorld()
let folder = ''
let path = ''
const children: ChildProcess[] = []

beforeEach(() => {
  folder = fs.mkdtempSync(join(os.tmpdir(), 'millrace-lock-'))
  path = join(folder, '.lock')
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  fs.rmSync(folder, { recursive: true })
})

/** Starts a program that takes the lock and says LOCKED, or says what failed; resolves with its first line. */
async function start(command: string, args: readonly string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const line = await new Promise<string>(resolve => {
    child.stdout!.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()))
    child.once('exit', code => resolve(`exit ${code}`))
  })
  return { child, line }
}

function holder(): Promise<{ child: ChildProcess; line: string }> {
  const module = join(import.meta.dirname, 'file-lock.ts')
  const script = `
    import { lockFile } from ${JSON.stringify(module)}
    try { lockFile(${JSON.stringify(path)}); gc(); console.log('LOCKED') } catch (error) { console.log(error.name, error.pid) }
    process.stdin.resume()`
  return start(process.execPath, ['--expose-gc', '--experimental-strip-types', '--input-type=module', '-e', script])
}

function caught(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return null
}

describe('file lock', () => {
  test('two holders in one process: the second is refused until the first lets go; the file is made and stays empty', () => {
    const first = files.lock(path)
    expect(caught(() => nodeWorld().files.lock(path))).toMatchObject({
      name: 'FileLocked',
      code: 'ELOCKED',
      path,
      pid: onLinux(process.pid),
    })
    first.release()
    first.release()
    const second = files.lock(path)
    expect(fs.readdirSync(folder)).toEqual(['.lock'])
    expect(fs.statSync(path).size).toBe(0)
    second.release()
  })

  test('another name of the same file: refused as well', () => {
    const first = files.lock(path)
    fs.symlinkSync(path, join(folder, 'alias'))
    expect(caught(() => files.lock(join(folder, 'alias')))).toBeInstanceOf(FileLocked)
    first.release()
  })

  test('another process holds it: refused with its pid; killed with -9: free', async () => {
    const { child, line } = await holder()
    expect(line).toBe('LOCKED')
    expect(caught(() => files.lock(path))).toMatchObject({
      name: 'FileLocked',
      pid: onLinux(child.pid!),
      message: onLinux(null) === null ? expect.any(String) : `${path} is locked by process ${child.pid}`,
    })
    const exited = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
    files.lock(path).release()
  })

  test('we hold it: another process is refused', async () => {
    const lock = files.lock(path)
    const { line } = await holder()
    expect(line).toBe(`FileLocked ${onLinux(process.pid)}`)
    lock.release()
  })

  test('folder missing, a folder, a file with content: told apart', () => {
    fs.writeFileSync(join(folder, 'full'), 'not a lock file')
    expect(caught(() => files.lock(join(folder, 'none', '.lock')))).toMatchObject({
      name: 'FileSystemError',
      code: 'ENOENT',
      syscall: 'lock',
    })
    expect(caught(() => files.lock(folder))).toMatchObject({ name: 'FileSystemError', code: 'EISDIR' })
    expect(caught(() => files.lock(join(folder, 'full')))).toMatchObject({ name: 'FileSystemError', code: 'EINVAL' })
    expect(fs.readFileSync(join(folder, 'full'), 'utf8')).toBe('not a lock file')
  })

  const java = spawnSync('java', ['-version']).status === 0
  const withJava = java ? test : test.skip
  withJava(
    'a JVM and we: exclude each other both ways (needs java)',
    async () => {
      const source = join(folder, 'Hold.java')
      fs.writeFileSync(
        source,
        `import java.nio.channels.*; import java.nio.file.*; import static java.nio.file.StandardOpenOption.*;
       public class Hold { public static void main(String[] a) throws Exception {
         var lock = FileChannel.open(Path.of(a[0]), CREATE, READ, WRITE).tryLock();
         System.out.println(lock == null ? "REFUSED" : "LOCKED"); System.in.read(); } }`,
      )
      const lock = files.lock(path)
      const refused = await start('java', [source, path])
      expect(refused.line).toBe('REFUSED')
      lock.release()
      const { child, line } = await start('java', [source, path])
      expect(line).toBe('LOCKED')
      expect(caught(() => files.lock(path))).toMatchObject({ name: 'FileLocked', pid: onLinux(child.pid!) })
    },
    60_000,
  )
})

/** Only Linux lists who holds a lock. */
function onLinux<T>(value: T): T | null {
  return process.platform === 'linux' ? value : null
}
