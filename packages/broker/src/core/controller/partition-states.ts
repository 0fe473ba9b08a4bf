import { electLeader, needsUncleanElection } from './leader-election.ts'
import type { Elected, ElectionReason } from './leader-election.ts'
import { LeaderRecoveryState } from './leadership.ts'
import type { Leadership } from './leadership.ts'
import type { ControllerState } from './controller-state.ts'
import type { PartitionContext, PartitionState } from './partition-context.ts'
import { note, readLeadership, readUncleanTopics, send, write } from './plan-step.ts'
import type { Plan } from './plan-step.ts'
import { RequestBatch } from './request-batch.ts'

const allowedBefore: Readonly<Record<PartitionState, readonly PartitionState[]>> = {
  'non-existent': ['offline'],
  new: ['non-existent'],
  online: ['new', 'online', 'offline'],
  offline: ['new', 'online', 'offline'],
}

/**
 * Moves partitions to `target` and tells the brokers. `online` finds leaders: new partitions get their first, others an
 * election for `reason`. Answers the partitions that are in `target` now; the others stay what they were, and are tried
 * again when a broker or a setting changes.
 */
export function* changePartitions(
  state: ControllerState,
  partitions: readonly PartitionContext[],
  target: PartitionState,
  reason: ElectionReason = 'offline',
): Plan<PartitionContext[]> {
  const valid = partitions.filter(partition => allowedBefore[target].includes(partition.state))
  for (const partition of partitions) {
    if (allowedBefore[target].includes(partition.state)) continue
    yield* note('warn', 'partition cannot change to this state', {
      ...nameOf(partition),
      from: partition.state,
      target,
    })
  }
  if (target !== 'online') {
    for (const partition of valid) partition.state = target
    return valid
  }
  const batch = new RequestBatch(state)
  const known = valid.filter(partition => partition.state !== 'new')
  const fresh = yield* initializePartitions(
    state,
    batch,
    valid.filter(partition => partition.state === 'new'),
  )
  const elected = yield* electLeaders(state, batch, [...known, ...fresh.adopted], reason)
  yield* send(batch.requests())
  return [...fresh.online, ...elected]
}

/** New and offline partitions of topics that stay: a broker came, or may now be elected. */
export function* bringPartitionsOnline(state: ControllerState): Plan<PartitionContext[]> {
  const waiting = [...state.partitions()].filter(
    partition =>
      (partition.state === 'new' || partition.state === 'offline') && !state.isQueuedForDeletion(partition.topic),
  )
  return yield* changePartitions(state, waiting, 'online')
}

/** First leader: the first online replica; ISR: all that are online. */
function* initializePartitions(
  state: ControllerState,
  batch: RequestBatch,
  partitions: readonly PartitionContext[],
): Plan<{ online: PartitionContext[]; adopted: PartitionContext[] }> {
  const candidates: { partition: PartitionContext; leadership: Leadership }[] = []
  for (const partition of partitions) {
    const online = partition.assignment.replicas.filter(id => state.isReplicaOnline(id, partition))
    const leader = online[0]
    if (leader === undefined) {
      yield* note('warn', 'no replica is online: the partition stays without a leader', nameOf(partition))
      continue
    }
    const leadership: Leadership = {
      leader,
      leaderEpoch: 0,
      inSyncReplicas: online,
      leaderRecoveryState: LeaderRecoveryState.recovered,
      controllerEpoch: state.controllerEpoch,
      partitionEpoch: 0,
    }
    candidates.push({ partition, leadership })
  }
  const outcomes = yield* write(
    candidates.map(
      ({ partition, leadership }) => ({ write: 'create-state', ...nameOf(partition), leadership }) as const,
    ),
  )
  const online: PartitionContext[] = []
  const refused: PartitionContext[] = []
  candidates.forEach(({ partition, leadership }, index) => {
    if (outcomes[index] !== 'done') {
      refused.push(partition)
      return
    }
    partition.rememberLeadership(leadership)
    partition.state = 'online'
    batch.addLeaderAndIsr(leadership.inSyncReplicas, partition, true)
    online.push(partition)
  })
  return { online, adopted: yield* adoptLeadership(refused) }
}

/** The state znode was there: someone created it before us. What it says counts. */
function* adoptLeadership(partitions: readonly PartitionContext[]): Plan<PartitionContext[]> {
  const stored = yield* readLeadership(partitions.map(nameOf))
  const adopted: PartitionContext[] = []
  for (const [index, partition] of partitions.entries()) {
    const leadership = stored[index] ?? null
    if (leadership === null) continue
    yield* note('info', 'partition had a state already: it is kept', nameOf(partition))
    partition.rememberLeadership(leadership)
    partition.state = 'offline'
    adopted.push(partition)
  }
  return adopted
}

/** A leadership that differs elsewhere in ZooKeeper is read again; this many times before giving up for now. */
const maxElectionRounds = 10

function* electLeaders(
  state: ControllerState,
  batch: RequestBatch,
  partitions: readonly PartitionContext[],
  reason: ElectionReason,
): Plan<PartitionContext[]> {
  const online: PartitionContext[] = []
  const looked = new Set<PartitionContext>()
  let waiting = [...partitions]
  for (let round = 0; waiting.length > 0 && round < maxElectionRounds; round++) {
    const uncleanTopics = yield* uncleanTopicsOf(state, waiting, reason)
    const chosen: { partition: PartitionContext; next: Leadership; recipients: readonly number[] }[] = []
    const leaderless: PartitionContext[] = []
    for (const partition of waiting) {
      const elected = elect(state, partition, reason, uncleanTopics.has(partition.topic))
      if (elected === null) leaderless.push(partition)
      else
        chosen.push({
          partition,
          next: nextTerm(state, partition.leadership!, elected),
          recipients: elected.recipients,
        })
    }
    const outcomes = yield* write(chosen.map(({ partition, next }) => stateUpdate(partition, next)))
    const conflicts: PartitionContext[] = []
    chosen.forEach(({ partition, next, recipients }, index) => {
      if (outcomes[index] !== 'done') {
        conflicts.push(partition)
        return
      }
      partition.rememberLeadership(next)
      partition.state = 'online'
      batch.addLeaderAndIsr(recipients, partition, false)
      online.push(partition)
    })
    const changed = yield* lookAgain(state, leaderless, looked)
    waiting = [...(yield* rereadLeadership(state, conflicts)), ...changed]
  }
  for (const partition of waiting) {
    yield* note('warn', 'gave up on a state that keeps changing', nameOf(partition))
  }
  return online
}

function elect(
  state: ControllerState,
  partition: PartitionContext,
  reason: ElectionReason,
  uncleanAllowed: boolean,
): Elected | null {
  const { leadership, assignment } = partition
  if (leadership === null) return null
  return electLeader({
    reason,
    assignment,
    leadership,
    online: id => state.isReplicaOnline(id, partition),
    onlineOrShuttingDown: id => state.isReplicaOnlineOrShuttingDown(id, partition),
    isShuttingDown: id => state.isShuttingDown(id),
    uncleanAllowed,
  })
}

/**
 * No leader by what is cached: before that is believed, what ZooKeeper says is read, once, if it could help. (A found
 * leader needs no such care: a stale cache makes its write conflict.) Answers the partitions to try again.
 */
function* lookAgain(
  state: ControllerState,
  leaderless: readonly PartitionContext[],
  looked: Set<PartitionContext>,
): Plan<PartitionContext[]> {
  const hopeful = leaderless.filter(
    partition =>
      !looked.has(partition) &&
      partition.leadership !== null &&
      partition.assignment.replicas.some(id => state.isReplicaOnline(id, partition)),
  )
  const cached = new Map(hopeful.map(partition => [partition, partition.leadership?.partitionEpoch]))
  for (const partition of hopeful) looked.add(partition)
  const reread = yield* rereadLeadership(state, hopeful)
  const changed = reread.filter(partition => partition.leadership?.partitionEpoch !== cached.get(partition))
  for (const partition of leaderless) {
    if (changed.includes(partition)) continue
    const isr = partition.leadership?.inSyncReplicas ?? []
    yield* note('warn', 'no leader found', { ...nameOf(partition), isr })
  }
  return changed
}

function* uncleanTopicsOf(
  state: ControllerState,
  partitions: readonly PartitionContext[],
  reason: ElectionReason,
): Plan<ReadonlySet<string>> {
  if (reason !== 'offline') return new Set()
  const topics = new Set<string>()
  for (const partition of partitions) {
    const leadership = partition.leadership
    const online = (id: number): boolean => state.isReplicaOnline(id, partition)
    if (leadership === null || !needsUncleanElection({ leadership, online })) continue
    // With nobody online the setting changes nothing: spare the read.
    if (partition.assignment.replicas.some(online)) topics.add(partition.topic)
  }
  return yield* readUncleanTopics([...topics])
}

/**
 * Refreshes the states whose version was not the expected one. Answers those that may be tried again: not the ones whose
 * znode is gone, nor those that a newer controller has written.
 */
export function* rereadLeadership(
  state: ControllerState,
  partitions: readonly PartitionContext[],
): Plan<PartitionContext[]> {
  const stored = yield* readLeadership(partitions.map(nameOf))
  const readable: PartitionContext[] = []
  for (const [index, partition] of partitions.entries()) {
    const leadership = stored[index] ?? null
    if (leadership === null || leadership.controllerEpoch > state.controllerEpoch || wentBack(partition, leadership)) {
      yield* note('warn', "state is gone, went back, or is a newer controller's", nameOf(partition))
      continue
    }
    partition.rememberLeadership(leadership)
    readable.push(partition)
  }
  return readable
}

/** Someone deleted the znode and made it anew, past the controller. */
function wentBack(partition: PartitionContext, stored: Leadership): boolean {
  const known = partition.leadership
  return known !== null && (stored.partitionEpoch < known.partitionEpoch || stored.leaderEpoch < known.leaderEpoch)
}

/** The next state of the znode: one leader epoch on, written by this controller. */
export function nextTerm(
  state: ControllerState,
  last: Leadership,
  change: Partial<Pick<Leadership, 'leader' | 'inSyncReplicas' | 'leaderRecoveryState'>>,
): Leadership {
  return {
    leader: change.leader ?? last.leader,
    leaderEpoch: last.leaderEpoch + 1,
    inSyncReplicas: change.inSyncReplicas ?? last.inSyncReplicas,
    leaderRecoveryState: change.leaderRecoveryState ?? last.leaderRecoveryState,
    controllerEpoch: state.controllerEpoch,
    partitionEpoch: last.partitionEpoch + 1,
  }
}

export function stateUpdate(
  partition: PartitionContext,
  next: Leadership,
): {
  readonly write: 'update-state'
  readonly topic: string
  readonly partition: number
  readonly leadership: Leadership
  readonly expectedEpoch: number
} {
  return {
    write: 'update-state',
    ...nameOf(partition),
    leadership: next,
    expectedEpoch: next.partitionEpoch - 1,
  }
}

export const nameOf = (partition: PartitionContext): { readonly topic: string; readonly partition: number } => ({
  topic: partition.topic,
  partition: partition.partition,
})
