import { createHash } from 'node:crypto'
import type { Acl, Credential } from '../coordination.ts'

export const Permission = { read: 1, write: 2, create: 4, delete: 8, admin: 16 } as const

/** Who a client has proved to be: scheme and id as they stand in an ACL. */
export interface Identity {
  readonly scheme: string
  readonly id: string
}

/** ZooKeeper's digest id: `user:base64(sha1(user:password))`. */
export function digestId(credential: string): string {
  const user = credential.split(':', 1)[0]!
  return `${user}:${createHash('sha1').update(credential).digest('base64')}`
}

/** The identities that `credentials` prove, or null when one has a scheme that this tree does not know. */
export function identitiesOf(credentials: readonly Credential[]): Identity[] | null {
  const identities: Identity[] = []
  for (const { scheme, auth } of credentials) {
    if (scheme !== 'digest') return null
    identities.push({ scheme, id: digestId(typeof auth === 'string' ? auth : Buffer.from(auth).toString()) })
  }
  return identities
}

/** True when one of `acl`'s entries grants one of `permissions` to the world or to one of `identities`. An empty list grants all. */
export function isAllowed(acl: readonly Acl[], permissions: number, identities: readonly Identity[]): boolean {
  if (acl.length === 0) return true
  return acl.some(
    entry =>
      (entry.permissions & permissions) !== 0 &&
      ((entry.scheme === 'world' && entry.id === 'anyone') ||
        identities.some(identity => identity.scheme === entry.scheme && identity.id === entry.id)),
  )
}

/** The list as it is stored: `auth` replaced by the creator's identities, duplicates gone. Null when ZooKeeper answers INVALID_ACL. */
export function storedAcl(acl: readonly Acl[], identities: readonly Identity[]): Acl[] | null {
  const stored: Acl[] = []
  const add = (entry: Acl): void => {
    if (!stored.some(other => isSameAcl(other, entry))) stored.push(entry)
  }
  for (const { scheme, id, permissions } of acl) {
    if (scheme === 'world' && id === 'anyone') add({ scheme, id, permissions })
    else if (scheme === 'digest' && isDigestId(id)) add({ scheme, id, permissions })
    else if (scheme === 'auth' && identities.length > 0) {
      for (const identity of identities) add({ scheme: identity.scheme, id: identity.id, permissions })
    } else return null
  }
  return stored.length === 0 ? null : stored
}

/** Those who may not administer a znode see who is in its ACL, not the hashes of their passwords. */
export function withoutDigests(acl: readonly Acl[]): Acl[] {
  return acl.map(entry => (entry.scheme === 'digest' ? { ...entry, id: `${entry.id.split(':', 1)[0]}:x` } : entry))
}

function isSameAcl(left: Acl, right: Acl): boolean {
  return left.scheme === right.scheme && left.id === right.id && left.permissions === right.permissions
}

function isDigestId(id: string): boolean {
  return id.split(':').length === 2
}
