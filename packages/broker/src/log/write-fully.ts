import type { File, FileSystem } from '@millrace/runtime/ports'

/** The system took fewer bytes than it was given, without an error: the disk is full or failing. */
export class ShortWrite extends Error {
  override readonly name = 'ShortWrite'
  readonly path: string
  readonly written: number
  readonly wanted: number

  constructor(path: string, written: number, wanted: number) {
    super(`${path}: ${written} of ${wanted} bytes written`)
    this.path = path
    this.written = written
    this.wanted = wanted
  }
}

/** One write; anything less than all of it is a failure (throws ShortWrite). */
export function writeFully(file: File, buffer: Uint8Array, offset: number, length: number, position: number): void {
  if (length === 0) return
  const written = file.write(buffer, offset, length, position)
  if (written !== length) throw new ShortWrite(file.path, written, length)
}

/** As `writeFully`, without holding up the loop. */
export async function writeFullyAsync(
  file: File,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): Promise<void> {
  if (length === 0) return
  const written = await file.writeAsync(buffer, offset, length, position)
  if (written !== length) throw new ShortWrite(file.path, written, length)
}

const nothing = Buffer.alloc(0)

/** The bytes of a file; empty when it is missing. An empty one is not read: Node would take 64 KiB to find out. */
export function readWhole(files: FileSystem, path: string): Buffer {
  return (files.stat(path)?.size ?? 0) === 0 ? nothing : files.readFile(path)
}
