import { Group, type Member } from './group.ts'

/**
 * The group as its last record and its offsets say: Stable with its members, Empty without. `replayed` has seen nothing but replays; without a
 * record it is what comes out, because a load may be of a million groups that have an offset and nothing else.
 */
export function loadedGroup(replayed: Group): Group {
  const { groupId, record, offsets } = replayed
  if (record === null) {
    replayed.stateSinceMs = -1
    return replayed
  }
  const group = new Group(groupId, record.currentStateTimestampMs)
  for (const [topic, partitions] of offsets) group.offsets.set(topic, partitions)
  group.record = record
  group.protocolType = record.protocolType === '' ? null : record.protocolType
  group.protocolName = record.protocol
  group.generation = record.generation
  group.leaderId = record.leader
  for (const { subscription, ...member } of record.members) {
    const loaded: Member = {
      ...member,
      protocols: [{ name: record.protocol ?? '', metadata: subscription }],
      joinToken: null,
      syncToken: null,
      isNew: false,
      expiresAtMs: 0,
      ringsAtMs: null,
    }
    group.add(loaded, record.protocolType)
  }
  group.noteSubscribedTopics()
  group.state = group.members.size > 0 ? 'Stable' : 'Empty'
  return group
}
