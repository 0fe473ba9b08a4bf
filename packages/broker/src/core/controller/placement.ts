/**
 * Where the replicas of new partitions go: Kafka's AdminUtils.assignReplicasToBrokers (reference 3.9), to the last
 * detail, because operators read leadership balance off it and `vectors/hashes.jsonl` proves it.
 * Leaders go round the brokers; the other replicas follow at a distance (`shift`) that grows by one each time the
 * leaders have gone round once, so that a lost broker's load spreads over all others.
 */
export interface PlacementBroker {
  readonly id: number
  readonly rack: string | null
}

export interface PlacementRequest {
  /** In this order when no broker has a rack; Kafka passes them sorted by id. */
  readonly brokers: readonly PlacementBroker[]
  readonly partitions: number
  readonly replicationFactor: number
  /** Index in `brokers` of the first partition's leader, and the first shift; -1 draws both. */
  readonly fixedStartIndex?: number
  /** Id of the first partition placed; -1 means 0. */
  readonly startPartitionId?: number
  /** A whole number in 0..bound-1; only asked without `fixedStartIndex`. */
  readonly random: (bound: number) => number
}

export type PlacementErrorCode = 'INVALID_PARTITIONS' | 'INVALID_REPLICATION_FACTOR' | 'UNKNOWN_SERVER_ERROR'

export class PlacementError extends Error {
  override readonly name = 'PlacementError'
  readonly code: PlacementErrorCode
  constructor(code: PlacementErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Partition id → broker ids, the preferred leader first. Throws PlacementError. */
export function assignReplicas(request: PlacementRequest): Map<number, number[]> {
  const { brokers, partitions, replicationFactor } = request
  if (partitions <= 0) {
    throw new PlacementError('INVALID_PARTITIONS', 'Number of partitions must be larger than 0.')
  }
  if (replicationFactor <= 0) {
    throw new PlacementError('INVALID_REPLICATION_FACTOR', 'Replication factor must be larger than 0.')
  }
  if (replicationFactor > brokers.length) {
    throw new PlacementError(
      'INVALID_REPLICATION_FACTOR',
      `Replication factor: ${replicationFactor} larger than available brokers: ${brokers.length}.`,
    )
  }
  const racked = brokers.filter(broker => broker.rack !== null).length
  if (racked === 0) return place(request, brokers, unawareReplicas)
  if (racked < brokers.length) {
    throw new PlacementError(
      'UNKNOWN_SERVER_ERROR',
      'Not all brokers have rack information for replica rack aware assignment.',
    )
  }
  return place(request, alternateRacks(brokers), rackAwareReplicas)
}

type ChooseReplicas = (list: readonly PlacementBroker[], first: number, shift: number, count: number) => number[]

function place(
  request: PlacementRequest,
  list: readonly PlacementBroker[],
  choose: ChooseReplicas,
): Map<number, number[]> {
  const { partitions, replicationFactor, fixedStartIndex = -1, startPartitionId = -1, random } = request
  const start = fixedStartIndex >= 0 ? fixedStartIndex : random(list.length)
  let shift = fixedStartIndex >= 0 ? fixedStartIndex : random(list.length)
  let partition = Math.max(0, startPartitionId)
  const assignment = new Map<number, number[]>()
  for (let placed = 0; placed < partitions; placed++) {
    if (partition > 0 && partition % list.length === 0) shift += 1
    const first = (partition + start) % list.length
    assignment.set(partition, choose(list, first, shift, replicationFactor))
    partition += 1
  }
  return assignment
}

function unawareReplicas(list: readonly PlacementBroker[], first: number, shift: number, count: number): number[] {
  const replicas = [list[first]!.id]
  for (let follower = 0; follower < count - 1; follower++) {
    replicas.push(list[followerIndex(first, shift, follower, list.length)]!.id)
  }
  return replicas
}

function rackAwareReplicas(list: readonly PlacementBroker[], first: number, shift: number, count: number): number[] {
  const rackCount = new Set(list.map(broker => broker.rack)).size
  const leader = list[first]!
  const replicas = [leader.id]
  const usedRacks = new Set([leader.rack])
  const usedBrokers = new Set([leader.id])
  for (let tried = 0; replicas.length < count; tried++) {
    const broker = list[followerIndex(first, shift * rackCount, tried, list.length)]!
    // A second broker of a rack waits until every rack has one; a second use of a broker, until every broker has one.
    const rackIsFree = !usedRacks.has(broker.rack) || usedRacks.size === rackCount
    const brokerIsFree = !usedBrokers.has(broker.id) || usedBrokers.size === list.length
    if (!rackIsFree || !brokerIsFree) continue
    replicas.push(broker.id)
    usedRacks.add(broker.rack)
    usedBrokers.add(broker.id)
  }
  return replicas
}

/** Never `first` itself: the offset is 1..count-1. */
function followerIndex(first: number, shift: number, follower: number, count: number): number {
  if (count === 1) return first
  return (first + 1 + ((shift + follower) % (count - 1))) % count
}

/** One broker of each rack in turn (racks by name, brokers by id), so that neighbours are in different racks. */
function alternateRacks(brokers: readonly PlacementBroker[]): PlacementBroker[] {
  const racks = new Map<string, PlacementBroker[]>()
  for (const broker of brokers) {
    const rack = broker.rack ?? ''
    const members = racks.get(rack)
    if (members === undefined) racks.set(rack, [broker])
    else members.push(broker)
  }
  const names = [...racks.keys()].sort((left, right) => (left < right ? -1 : 1))
  const sorted = names.map(name => racks.get(name)!.sort((left, right) => left.id - right.id))
  const list: PlacementBroker[] = []
  for (let turn = 0; list.length < brokers.length; turn++) {
    for (const members of sorted) {
      const broker = members[turn]
      if (broker !== undefined) list.push(broker)
    }
  }
  return list
}
