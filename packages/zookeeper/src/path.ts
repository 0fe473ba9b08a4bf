import { CoordinationError } from './coordination.ts'

/**
 * Throws BAD_ARGUMENTS for a path that ZooKeeper refuses (PathUtils.validatePath): not absolute, a slash at the end,
 * empty or relative names, control characters, surrogates and the private use area.
 */
export function validatePath(path: string): void {
  const why = flawOf(path)
  if (why !== null) throw new CoordinationError('BAD_ARGUMENTS', path, { message: `BAD_ARGUMENTS ${path}: ${why}` })
}

/** A sequential name gets digits, so that `/queue/` is a fine path to create (the name is the number alone). */
export function validateSequentialPath(path: string): void {
  validatePath(`${path}1`)
}

/** `/a` for `/a/b`, `/` for `/a`. The root has no parent: ask before. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash === 0 ? '/' : path.slice(0, slash)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The path on the server. `chroot` is empty or an absolute path without a slash at its end. */
export function withChroot(chroot: string, path: string): string {
  return chroot === '' ? path : path === '/' ? chroot : chroot + path
}

/** The path as the client names it. */
export function withoutChroot(chroot: string, path: string): string {
  return chroot === '' ? path : path === chroot ? '/' : path.slice(chroot.length)
}

/** `chroot` as the other functions want it: '' for none or the root. Throws BAD_ARGUMENTS. */
export function normalizeChroot(chroot: string | undefined): string {
  if (chroot === undefined || chroot === '' || chroot === '/') return ''
  validatePath(chroot)
  return chroot
}

/** `/a`, `/a/b`, `/a/b/c` for `/a/b/c`. */
export function ancestorsAndSelf(path: string): string[] {
  const paths: string[] = []
  for (let slash = path.indexOf('/', 1); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    paths.push(path.slice(0, slash))
  }
  paths.push(path)
  return paths
}

// oxlint-disable-next-line no-control-regex -- ZooKeeper refuses exactly these characters.
const forbidden = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/

function flawOf(path: string): string | null {
  if (path === '') return 'a path is not empty'
  if (path[0] !== '/') return 'a path starts with a slash'
  if (path === '/') return null
  if (path.endsWith('/')) return 'a path does not end with a slash'
  if (path.includes('//')) return 'a name is not empty'
  if (/\/\.\.?(\/|$)/.test(path)) return 'a path has no relative names'
  if (forbidden.test(path)) return 'a path has no control characters, surrogates or private characters'
  return null
}
