export type ClientKind = 'java' | 'librdkafka' | 'kafkajs'

/** One group of the matrix: members of one kind of client, or of all, with one way to share. */
export interface GroupKind {
  readonly group: string
  readonly client: ClientKind | 'all'
  /** As the client names it. */
  readonly assignor: string
  readonly isStatic: boolean
}

export const groupKinds: readonly GroupKind[] = [
  { group: 'java-range', client: 'java', assignor: 'RangeAssignor', isStatic: false },
  { group: 'java-round-robin', client: 'java', assignor: 'RoundRobinAssignor', isStatic: false },
  { group: 'java-sticky', client: 'java', assignor: 'StickyAssignor', isStatic: false },
  { group: 'java-cooperative', client: 'java', assignor: 'CooperativeStickyAssignor', isStatic: false },
  { group: 'java-static', client: 'java', assignor: 'RangeAssignor', isStatic: true },
  { group: 'java-static-cooperative', client: 'java', assignor: 'CooperativeStickyAssignor', isStatic: true },
  { group: 'librdkafka-range', client: 'librdkafka', assignor: 'range', isStatic: false },
  { group: 'librdkafka-round-robin', client: 'librdkafka', assignor: 'roundrobin', isStatic: false },
  { group: 'librdkafka-cooperative', client: 'librdkafka', assignor: 'cooperative-sticky', isStatic: false },
  { group: 'librdkafka-static', client: 'librdkafka', assignor: 'range', isStatic: true },
  { group: 'kafkajs', client: 'kafkajs', assignor: 'RoundRobinAssigner', isStatic: false },
  { group: 'all', client: 'all', assignor: 'roundrobin', isStatic: false },
]
export const clientKinds: readonly ClientKind[] = ['java', 'librdkafka', 'kafkajs']

/** What is started at `place` of the group, and its assignor as that client calls it. */
export function clientAt({ client, assignor }: GroupKind, place: string): { client: ClientKind; assignor: string } {
  if (client !== 'all') return { client, assignor }
  const mixed = ({ a: 'kafkajs', b: 'java', c: 'librdkafka' } as const)[place] ?? 'java'
  return { client: mixed, assignor: mixed === 'java' ? 'RoundRobinAssignor' : assignor }
}

/** What every member is started with: java/GroupMembers.java, python/group_members.py, kafkajs-members.ts. */
export const sessionTimeoutMs = 6_000
