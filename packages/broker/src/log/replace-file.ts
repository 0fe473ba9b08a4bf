import type { FileSystem } from '@millrace/runtime/ports'
import { writeFully } from './write-fully.ts'

/**
 * Replaces a small file: all or nothing when the process dies, but not yet safe from a power cut (that would be two waits for the disk, and a
 * broker that takes over a thousand partitions does this for each). Whoever calls sees to it that the file is synced with the next flush.
 */
export function replaceUnsynced(files: FileSystem, path: string, content: Uint8Array): void {
  const temporary = `${path}.tmp`
  const file = files.open(temporary, 'create')
  try {
    writeFully(file, content, 0, content.length, 0)
    file.truncate(content.length)
  } finally {
    file.close()
  }
  files.rename(temporary, path)
}
