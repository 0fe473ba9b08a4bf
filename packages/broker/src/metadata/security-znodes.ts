import { desanitise, sanitise } from './sanitised-name.ts'
import { jsonZnode, textZnode, type Znode } from './znode.ts'

/** One entry of an ACL znode, words as Kafka spells them there (`User:alice`, `Allow`, `Read`, `*`). */
export interface AclEntry {
  readonly principal: string
  readonly permissionType: string
  readonly host: string
  readonly operation: string
}

const aclData = {
  write: (entries: readonly AclEntry[]) => ({
    acls: entries.map(({ principal, permissionType, host, operation }) => ({
      principal,
      permissionType,
      host,
      operation,
    })),
    version: 1,
  }),
}

/** Literal patterns, the name `*` among them. `resourceType` as in `Topic`, `Group`, `TransactionalId`. */
export const literalAclZnode: Znode<[resourceType: string, name: string], readonly AclEntry[]> = jsonZnode({
  path: (resourceType, name) => `/kafka-acl/${resourceType}/${name}`,
  write: aclData.write,
  read: json =>
    json.objects('acls').map(each => ({
      principal: each.text('principal'),
      permissionType: each.text('permissionType'),
      host: each.text('host'),
      operation: each.text('operation'),
    })),
})

export const prefixedAclZnode: Znode<[resourceType: string, name: string], readonly AclEntry[]> = {
  ...literalAclZnode,
  path: (resourceType, name) => `/kafka-acl-extended/prefixed/${resourceType}/${name}`,
}

export interface ChangedResource {
  /** `TOPIC`, `GROUP`, `CLUSTER`… */
  readonly resourceType: string
  readonly name: string
}

/** Plain text: the type, a colon, the name (which may hold colons itself). */
export const literalAclChangeZnode: Znode<[name: string], ChangedResource> = textZnode({
  path: name => `/kafka-acl-changes/${name}`,
  write: ({ resourceType, name }) => `${resourceType}:${name}`,
  read: text => {
    const colon = text.indexOf(':')
    return colon < 0 ? undefined : { resourceType: text.slice(0, colon), name: text.slice(colon + 1) }
  },
})

export const prefixedAclChangeZnode: Znode<[name: string], ChangedResource> = jsonZnode({
  path: name => `/kafka-acl-extended-changes/${name}`,
  write: ({ resourceType, name }) => ({ version: 1, resourceType, name, patternType: 'PREFIXED' }),
  read: json => ({ resourceType: json.text('resourceType'), name: json.text('name') }),
})

/** Principals are `Type:name` without escapes here; the znode holds them sanitised. */
export interface DelegationToken {
  readonly tokenId: string
  readonly owner: string
  readonly requester: string
  readonly renewers: readonly string[]
  readonly issueMs: number
  readonly maxMs: number
  readonly expiryMs: number
}

export const delegationTokenZnode: Znode<[tokenId: string], DelegationToken> = jsonZnode({
  path: tokenId => `/delegation_token/tokens/${tokenId}`,
  write: token => ({
    issueTimestamp: token.issueMs,
    renewers: token.renewers.map(sanitise),
    tokenRequester: sanitise(token.requester),
    tokenId: token.tokenId,
    owner: sanitise(token.owner),
    expiryTimestamp: token.expiryMs,
    maxTimestamp: token.maxMs,
    version: 3,
  }),
  read: json => {
    const owner = desanitise(json.text('owner'))
    return {
      tokenId: json.text('tokenId'),
      owner,
      // Versions 1 and 2 know no requester: it was the owner.
      requester: json.has('tokenRequester') ? desanitise(json.text('tokenRequester')) : owner,
      renewers: json.texts('renewers').map(desanitise),
      issueMs: json.integer('issueTimestamp'),
      maxMs: json.integer('maxTimestamp'),
      expiryMs: json.integer('expiryTimestamp'),
    }
  },
})

/** The data is the token's id. */
export const tokenChangeZnode: Znode<[name: string], string> = textZnode({
  path: name => `/delegation_token/token_changes/${name}`,
  write: tokenId => tokenId,
  read: text => text,
})
