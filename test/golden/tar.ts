const BLOCK = 512

/** The regular files of a ustar archive by name, as views; folders and links are left out. Throws for what is no ustar header. */
export function untar(archive: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  for (let position = 0; position + BLOCK <= archive.length;) {
    const header = archive.subarray(position, position + BLOCK)
    if (header.every(byte => byte === 0)) break
    if (header.toString('latin1', 257, 262) !== 'ustar') throw new Error(`no ustar header at ${position}`)
    const size = Number.parseInt(text(header, 124, 12), 8)
    const prefix = text(header, 345, 155)
    const name = (prefix === '' ? '' : `${prefix}/`) + text(header, 0, 100)
    const type = text(header, 156, 1)
    if (type === '0' || type === '') {
      files.set(name.replace(/^\.\//, ''), archive.subarray(position + BLOCK, position + BLOCK + size))
    }
    position += BLOCK + Math.ceil(size / BLOCK) * BLOCK
  }
  return files
}

function text(header: Buffer, start: number, length: number): string {
  const field = header.toString('utf8', start, start + length)
  const end = field.indexOf('\0')
  return (end < 0 ? field : field.slice(0, end)).trim()
}
