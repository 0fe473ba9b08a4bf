import type { FileSystem } from '@millrace/runtime/ports'

/** What lets whoever has it take a ZooKeeper session over. The password is a secret: the file is its owner's to read. */
export interface StoredSession {
  readonly id: bigint
  readonly password: Uint8Array
}

/** A file, because Kafka takes every folder in its data folders for a partition and ignores files that it does not know. */
const fileName = 'millrace.session'
const pathIn = (directory: string): string => `${directory}/${fileName}`

/**
 * The session that the last process with this data folder had with the ensemble `servers`; null when there is none, or it
 * cannot be understood: then its end is awaited. The folder must be locked: that process is gone.
 */
export function readSessionFile(files: FileSystem, directory: string, servers: string): StoredSession | null {
  if (files.stat(pathIn(directory)) === null) return null
  const [version, ensemble, id, password] = files.readFile(pathIn(directory)).toString().split('\n')
  if (version !== 'version=1' || ensemble !== `servers=${servers}`) return null
  if (id === undefined || !/^id=[0-9a-f]{1,16}$/.test(id) || !password?.startsWith('password=')) return null
  return {
    id: BigInt.asIntN(64, BigInt(`0x${id.slice('id='.length)}`)),
    password: Buffer.from(password.slice('password='.length), 'base64'),
  }
}

/** All or nothing, mode 600. */
export function writeSessionFile(files: FileSystem, directory: string, servers: string, session: StoredSession): void {
  const id = BigInt.asUintN(64, session.id).toString(16)
  const password = Buffer.from(session.password).toString('base64')
  const text = `version=1\nservers=${servers}\nid=${id}\npassword=${password}\n`
  files.replaceFile(pathIn(directory), Buffer.from(text), 0o600)
}

/** The session was ended: nobody needs to do it again. */
export function removeSessionFile(files: FileSystem, directory: string): void {
  if (files.stat(pathIn(directory)) !== null) files.remove(pathIn(directory))
}
