import { LeaderRecoveryState, NoLeader, targetReplicas } from './leadership.ts'
import type { Leadership, ReplicaAssignment } from './leadership.ts'

/** Why a leader is looked for; each reason looks for another one (reference 2.4). */
export type ElectionReason = 'offline' | 'unclean' | 'reassign' | 'preferred' | 'controlled-shutdown'

export interface ElectionQuestion {
  readonly reason: ElectionReason
  readonly assignment: ReplicaAssignment
  readonly leadership: Leadership
  /** Replicas on live brokers with the partition's folder online; brokers in controlled shutdown are not live. */
  readonly online: (brokerId: number) => boolean
  /** The same, counting brokers in controlled shutdown. */
  readonly onlineOrShuttingDown: (brokerId: number) => boolean
  readonly isShuttingDown: (brokerId: number) => boolean
  /** `unclean.leader.election.enable` of the topic: asked only when no member of the ISR is online. */
  readonly uncleanAllowed: boolean
}

export interface Elected {
  readonly leader: number
  readonly inSyncReplicas: readonly number[]
  readonly leaderRecoveryState: LeaderRecoveryState
  /** Whom LeaderAndIsr goes to. */
  readonly recipients: readonly number[]
}

/** The new leader, or null when this reason finds none. Pure choice: epochs are the caller's. */
export function electLeader(question: ElectionQuestion): Elected | null {
  switch (question.reason) {
    case 'offline':
      return electOffline(question, question.uncleanAllowed)
    case 'unclean':
      return electOffline(question, true)
    case 'reassign':
      return electAmong(question, targetReplicas(question.assignment))
    case 'preferred':
      return electAmong(question, question.assignment.replicas, 1)
    case 'controlled-shutdown':
      return electDuringShutdown(question)
  }
}

/** True when 'offline' can only be answered uncleanly: the caller then looks up whether the topic allows that. */
export function needsUncleanElection(question: Pick<ElectionQuestion, 'leadership' | 'online'>): boolean {
  return !question.leadership.inSyncReplicas.some(question.online)
}

function electOffline(question: ElectionQuestion, uncleanAllowed: boolean): Elected | null {
  const { assignment, leadership, online } = question
  const liveReplicas = assignment.replicas.filter(online)
  const inSync = leadership.inSyncReplicas.filter(online)
  const clean = liveReplicas.find(id => inSync.includes(id))
  if (clean !== undefined) {
    return {
      leader: clean,
      inSyncReplicas: inSync,
      leaderRecoveryState: leadership.leaderRecoveryState,
      recipients: liveReplicas,
    }
  }
  const unclean = liveReplicas[0]
  if (!uncleanAllowed || unclean === undefined) return null
  return {
    leader: unclean,
    inSyncReplicas: [unclean],
    leaderRecoveryState: LeaderRecoveryState.recovering,
    recipients: liveReplicas,
  }
}

/** The first `among` candidates that is online and in sync; the ISR stays as it is. */
function electAmong(
  question: ElectionQuestion,
  replicas: readonly number[],
  among: number = replicas.length,
): Elected | null {
  const { leadership, online } = question
  const leader = replicas.slice(0, among).find(id => online(id) && leadership.inSyncReplicas.includes(id))
  if (leader === undefined) return null
  return {
    leader,
    inSyncReplicas: leadership.inSyncReplicas,
    leaderRecoveryState: leadership.leaderRecoveryState,
    recipients: replicas,
  }
}

function electDuringShutdown(question: ElectionQuestion): Elected | null {
  const { assignment, leadership, onlineOrShuttingDown, isShuttingDown } = question
  const present = assignment.replicas.filter(onlineOrShuttingDown)
  const staying = leadership.inSyncReplicas.filter(id => !isShuttingDown(id))
  const leader = present.find(id => staying.includes(id))
  if (leader === undefined || leader === NoLeader) return null
  return {
    leader,
    inSyncReplicas: staying,
    leaderRecoveryState: leadership.leaderRecoveryState,
    recipients: present,
  }
}
