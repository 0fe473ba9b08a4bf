import { assert } from '@millrace/runtime/invariant'
import type { ControlRequest } from './control-request.ts'
import type { Leadership, ReplicaAssignment } from './leadership.ts'

/**
 * A plan decides; it does nothing itself. It is a generator that names one step at a time and is given that step's
 * outcome: `controller/execute-plan.ts` carries the steps out, tests answer them from memory. The state changes in
 * between, synchronously, so that a plan that ends early (the controller was deposed) leaves no half-done write behind
 * it: its whole state is thrown away.
 */
export type Plan<Result = void> = Generator<Step, Result, StepAnswer>

export type Step =
  /** Carried out side by side (pipelined), each fenced by the controller epoch. Answered by one outcome per write. */
  | { readonly step: 'write'; readonly writes: readonly Write[] }
  | { readonly step: 'read-leadership'; readonly partitions: readonly PartitionName[] }
  /** Which of these topics allow unclean leader election, by their own or the broker's default setting. */
  | { readonly step: 'read-unclean-topics'; readonly topics: readonly string[] }
  /** Put into the queues of the brokers, in this order; answered at once. */
  | { readonly step: 'send'; readonly requests: readonly ControlRequest[] }
  | { readonly step: 'note'; readonly level: 'info' | 'warn'; readonly message: string; readonly fields: NoteFields }

export type NoteFields = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>

export interface PartitionName {
  readonly topic: string
  readonly partition: number
}

export type Write =
  /** Creates the state znode and what is missing above it. */
  | ({ readonly write: 'create-state' } & PartitionName & { readonly leadership: Leadership })
  /** Compare and set: only if the znode still has version `expectedEpoch`. */
  | ({ readonly write: 'update-state'; readonly expectedEpoch: number } & PartitionName & {
        readonly leadership: Leadership
      })
  | {
      readonly write: 'update-assignment'
      readonly topic: string
      readonly topicId: string
      /** The ones that change; the others stay as they are in ZooKeeper. */
      readonly partitions: ReadonlyMap<number, ReplicaAssignment>
      /** Partitions to be dropped: they were added to a topic that is being deleted. */
      readonly dropped?: readonly number[]
    }
  /** The topic's znodes, its settings and its deletion marker, the marker not before the others: interrupted, it resumes. */
  | { readonly write: 'delete-topic'; readonly topic: string }
  | { readonly write: 'delete-marker'; readonly topic: string }
  /** Out of `/admin/reassign_partitions`: entries with these replicas, or (null) with whatever replicas. */
  | {
      readonly write: 'forget-reassignments'
      readonly requests: readonly (PartitionName & { readonly replicas: readonly number[] | null })[]
    }
  | { readonly write: 'delete-preferred-election' }

/**
 * - done: applied; `leadership` writes left the znode at the partition epoch they carry.
 * - conflict: not applied: the znode exists already, is gone, or has another version. Read again before deciding.
 */
export type WriteOutcome = 'done' | 'conflict'

export type StepAnswer =
  | { readonly step: 'write'; readonly outcomes: readonly WriteOutcome[] }
  | { readonly step: 'read-leadership'; readonly leadership: readonly (Leadership | null)[] }
  | { readonly step: 'read-unclean-topics'; readonly topics: ReadonlySet<string> }
  | { readonly step: 'send' }
  | { readonly step: 'note' }

export function* write(writes: readonly Write[]): Plan<readonly WriteOutcome[]> {
  if (writes.length === 0) return []
  const answer = yield { step: 'write', writes }
  assert(answer.step === 'write' && answer.outcomes.length === writes.length, 'every write must have its outcome')
  return answer.outcomes
}

/** Null where there is no state znode. */
export function* readLeadership(partitions: readonly PartitionName[]): Plan<readonly (Leadership | null)[]> {
  if (partitions.length === 0) return []
  const answer = yield { step: 'read-leadership', partitions }
  assert(answer.step === 'read-leadership', 'a read must be answered by what was read')
  assert(answer.leadership.length === partitions.length, 'every read must have its answer')
  return answer.leadership
}

export function* readUncleanTopics(topics: readonly string[]): Plan<ReadonlySet<string>> {
  if (topics.length === 0) return new Set()
  const answer = yield { step: 'read-unclean-topics', topics }
  assert(answer.step === 'read-unclean-topics', 'a read must be answered by what was read')
  return answer.topics
}

export function* send(requests: readonly ControlRequest[]): Plan {
  if (requests.length > 0) yield { step: 'send', requests }
}

export function* note(level: 'info' | 'warn', message: string, fields: NoteFields): Plan {
  yield { step: 'note', level, message, fields }
}
