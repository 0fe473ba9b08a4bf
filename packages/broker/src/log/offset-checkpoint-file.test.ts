import { FileSystemError } from '@millrace/runtime/file-system-error'
import { MemoryFiles } from '@millrace/testing/world/memory-files'
import { describe, expect, test } from '@jest/globals'
import { OffsetCheckpointFile } from './offset-checkpoint-file.ts'

function setUp(): { files: MemoryFiles; file: OffsetCheckpointFile; text: (files?: MemoryFiles) => string } {
  const files = new MemoryFiles()
  files.makeDirectory('/data')
  const text = (from = files): string => from.readFile('/data/checkpoint').toString()
  return { files, file: new OffsetCheckpointFile(files, '/data', 'checkpoint'), text }
}

const at = (offset: number): { topic: string; partition: number; offset: number }[] => [
  { topic: 't', partition: 0, offset },
]

describe('offset checkpoint file', () => {
  test('written in either way: there after a power cut, and no file stays open', async () => {
    const { files, file, text } = setUp()
    await file.writeAsync(at(1))
    expect(text(files.afterPowerCut())).toBe('0\n1\nt 0 1\n')
    file.write(at(2))
    expect(text(files.afterPowerCut())).toBe('0\n1\nt 0 2\n')
    await file.writeAsync([])
    expect([text(files.afterPowerCut()), files.openCount]).toEqual(['0\n0\n', 0])
  })

  test('nothing is seen of it before it is on the disk', async () => {
    const { files, file, text } = setUp()
    file.write(at(1))
    const seen: string[] = []
    files.onOperation = ({ kind }) => void (kind === 'datasync' && seen.push(text()))
    await file.writeAsync(at(2))
    expect([...seen, text()]).toEqual(['0\n1\nt 0 1\n', '0\n1\nt 0 2\n'])
  })

  test('what is written while another waits for the disk: stays', async () => {
    const { file, text } = setUp()
    const slow = file.writeAsync(at(1))
    file.write(at(2))
    await slow
    expect(text()).toBe('0\n1\nt 0 2\n')
  })

  test('two at a time: the later one is what stays, also if it is shorter', async () => {
    const { files, file, text } = setUp()
    const slow = file.writeAsync(at(123_456))
    await Promise.all([slow, file.writeAsync(at(7))])
    expect([text(), files.list('/data')]).toEqual(['0\n1\nt 0 7\n', ['checkpoint']])
  })

  test('released while it waits: dropped', async () => {
    const { file, text } = setUp()
    file.write(at(1))
    const slow = file.writeAsync(at(2))
    file.release()
    await slow
    expect(text()).toBe('0\n1\nt 0 1\n')
  })

  test('the disk fails: rejected, and what was there stays', async () => {
    const { files, file, text } = setUp()
    file.write(at(1))
    files.onOperation = ({ kind, path }) => {
      if (kind === 'datasync') throw new FileSystemError({ code: 'EIO', syscall: 'fdatasync', path })
    }
    await expect(file.writeAsync(at(2))).rejects.toMatchObject({ code: 'EIO' })
    expect([text(), files.openCount]).toEqual(['0\n1\nt 0 1\n', 0])
  })
})
