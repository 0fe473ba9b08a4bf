import type { GroupRecord, OffsetRecord } from './entries.ts'
import { Group, type Member } from './group.ts'

/** The group as its last record and its offsets say: Stable with its members, Empty without. */
export function loadedGroup(
  groupId: string,
  record: GroupRecord | null,
  offsets: ReadonlyMap<string, Map<number, OffsetRecord>>,
): Group {
  const group = new Group(groupId, record?.currentStateTimestampMs ?? -1)
  for (const [topic, partitions] of offsets) group.offsets.set(topic, partitions)
  group.record = record
  if (record === null) return group
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
    }
    group.add(loaded, record.protocolType)
  }
  group.noteSubscribedTopics()
  group.state = group.members.size > 0 ? 'Stable' : 'Empty'
  return group
}
