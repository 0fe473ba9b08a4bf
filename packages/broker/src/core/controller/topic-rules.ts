/** What a topic may be called and how its replicas may be listed: the checks of CreateTopics and CreatePartitions. */

/** Folder names are `<topic>-<partition>.<32 hex digits>-delete`, and 255 bytes are all a file system gives. */
export const maxTopicNameLength = 249

/** KRaft's own topic: no client may make one of this name (KIP-630). */
export const clusterMetadataTopic = '__cluster_metadata'
export const consumerOffsetsTopic = '__consumer_offsets'
export const transactionStateTopic = '__transaction_state'

export const isInternalTopic = (name: string): boolean =>
  name === consumerOffsetsTopic || name === transactionStateTopic

/** What is wrong with the name, in Kafka's words, or null. */
export function topicNameProblem(name: string): string | null {
  if (name === '') return 'the empty string is not allowed'
  if (name === '.') return "'.' is not allowed"
  if (name === '..') return "'..' is not allowed"
  if (name.length > maxTopicNameLength)
    return `the length of '${name}' is longer than the max allowed length ${maxTopicNameLength}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  }
  return null
}

/** Metric names turn '.' into '_': two topics that differ only there would share their metrics. */
export const collisionKey = (name: string): string => name.replaceAll('.', '_')

export const canCollide = (name: string): boolean => name.includes('.') || name.includes('_')

/** The existing topics that `name` would collide with (itself not counted). */
export function collidingTopics(name: string, existing: Iterable<string>): string[] {
  if (!canCollide(name)) return []
  const key = collisionKey(name)
  const colliding: string[] = []
  for (const other of existing) {
    if (other !== name && canCollide(other) && collisionKey(other) === key) colliding.push(other)
  }
  return colliding
}

/**
 * What is wrong with a manual assignment, or null: partitions must be numbered from `firstPartition` without a gap, every
 * partition have equally many replicas (`replicationFactor` if given), all different and not negative.
 */
export function assignmentProblem(
  assignment: ReadonlyMap<number, readonly number[]>,
  options: { readonly firstPartition?: number; readonly replicationFactor?: number } = {},
): string | null {
  const first = options.firstPartition ?? 0
  if (assignment.size === 0) return 'partition assignment is empty'
  for (let partition = first; partition < first + assignment.size; partition++) {
    if (!assignment.has(partition)) {
      return `partitions should be a consecutive ${first}-based integer sequence`
    }
  }
  const replicationFactor = options.replicationFactor ?? assignment.get(first)!.length
  for (const [partition, replicas] of assignment) {
    if (replicas.length === 0) return `partition ${partition} has no replicas`
    if (new Set(replicas).size !== replicas.length) {
      return `duplicate replica assignment found for partition ${partition}: ${replicas.join(',')}`
    }
    if (replicas.some(id => id < 0)) return `partition ${partition} names an invalid broker id: ${replicas.join(',')}`
    if (replicas.length !== replicationFactor) {
      return `partition ${partition} has ${replicas.length} replicas, all partitions need ${replicationFactor}`
    }
  }
  return null
}
