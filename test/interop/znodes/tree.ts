import type { Acl, Coordination } from '@millrace/zookeeper/coordination'

/** One znode as two clusters are compared by it: without what no two runs share. */
export interface ComparedZnode {
  /** JSON parsed, other text as it is; null where there is none. */
  readonly data: unknown
  /** `broker 1` for an ephemeral znode of the session that registered broker 1; null for a persistent one. */
  readonly owner: string | null
  readonly version: number
  readonly acl: string
}
/** Path → znode, without the root and what belongs to ZooKeeper itself. */
export type Tree = Readonly<Record<string, ComparedZnode>>

/** Kafka makes these for its authorizer and for token authentication, which the compared clusters do without. */
const left = /^\/(zookeeper|kafka-acl[^/]*|delegation_token)(\/|$)/

/** Reads all znodes. What vanishes between two reads is left out: whoever waits for a state reads again. */
export async function readTree(coordination: Coordination): Promise<Tree> {
  const nodes = (await below(coordination, '/')).filter(node => node !== null)
  const owners = new Map(
    nodes.flatMap(({ path, owner }) => {
      const id = /^\/brokers\/ids\/(\d+)$/.exec(path)?.[1]
      return id === undefined ? [] : [[owner, `broker ${id}`] as const]
    }),
  )
  return Object.fromEntries(
    nodes.map(({ path, data, owner, version, acl }): [string, ComparedZnode] => {
      const of = owner === 0n ? null : (owners.get(owner) ?? 'a session that ended')
      return [path, { data: comparedData(path, data), owner: of, version, acl: aclText(acl) }]
    }),
  )
}

interface Node {
  readonly path: string
  readonly data: string
  readonly owner: bigint
  readonly version: number
  readonly acl: readonly Acl[]
}

async function below(coordination: Coordination, parent: string): Promise<(Node | null)[]> {
  const names = await coordination.children(parent).catch(() => [])
  const paths = names.map(name => (parent === '/' ? `/${name}` : `${parent}/${name}`)).filter(path => !left.test(path))
  const found = await Promise.all(
    paths.map(async path => Promise.all([nodeAt(coordination, path), below(coordination, path)])),
  )
  return found.flatMap(([node, children]) => [node, ...children])
}

async function nodeAt(coordination: Coordination, path: string): Promise<Node | null> {
  const read = Promise.all([coordination.get(path), coordination.getAcl(path)])
  const found = await read.catch(() => null)
  if (found === null) return null
  const [{ data, stat }, { acl }] = found
  return { path, data: data.toString(), owner: stat.ephemeralOwner, version: stat.version, acl }
}

/** As `vectors/znodes.json` writes them: `world:anyone:cdrwa`. */
function aclText(acl: readonly Acl[]): string {
  const letters = [
    ['c', 4],
    ['d', 8],
    ['r', 1],
    ['w', 2],
    ['a', 16],
  ] as const
  const permissions = (bits: number): string =>
    letters.flatMap(([letter, bit]) => ((bits & bit) === 0 ? [] : [letter])).join('')
  return acl.map(({ scheme, id, permissions: bits }) => `${scheme}:${id}:${permissions(bits)}`).join(',')
}

/** Data without times, ports and random ids, each of which is checked to look as it should; and without the SECURE listener. */
export function comparedData(path: string, text: string | null): unknown {
  if (text === null || text === '') return null
  if (!text.startsWith('{')) return text
  const value = JSON.parse(text) as Record<string, unknown>
  if (path === '/cluster/id') return { ...value, id: looksLike(value['id'], randomId) }
  if (path === '/controller') return { ...value, timestamp: looksLike(value['timestamp'], time) }
  if (/^\/brokers\/topics\/[^/]+$/.test(path)) return { ...value, topic_id: looksLike(value['topic_id'], randomId) }
  if (path.startsWith('/brokers/ids/')) {
    const { endpoints, listener_security_protocol_map: protocols, port, timestamp } = value as unknown as Registration
    const { SECURE: _, ...compared } = protocols
    return {
      ...value,
      endpoints: endpoints.filter(each => !each.startsWith('SECURE:')).map(each => each.replace(/:\d+$/, ':a port')),
      listener_security_protocol_map: compared,
      port: endpoints[0]?.endsWith(`:${port}`) === true ? 'that of the first endpoint' : port,
      timestamp: looksLike(timestamp, time),
    }
  }
  return value
}

interface Registration {
  readonly endpoints: readonly string[]
  readonly listener_security_protocol_map: Readonly<Record<string, string>>
  readonly port: number
  readonly timestamp: string
}

const time = /^\d{13}$/
const randomId = /^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/
const looksLike = (value: unknown, pattern: RegExp): unknown =>
  typeof value === 'string' && pattern.test(value) ? `matches ${pattern}` : value
