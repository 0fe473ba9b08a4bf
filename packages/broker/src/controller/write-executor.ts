import type { Logger } from '@millrace/runtime/logger'
import { AnyVersion, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Operation } from '@millrace/zookeeper/coordination'
import type { Leadership } from '../core/controller/leadership.ts'
import type { Write, WriteOutcome } from '../core/controller/plan-step.ts'
import { read, type Versioned } from '../metadata/coordination.ts'
import { MalformedZnode, type Znode } from '../metadata/znode.ts'
import {
  configZnode,
  deleteTopicZnode,
  partitionStateZnode,
  preferredElectionZnode,
  reassignPartitionsZnode,
  topicPartitionsZnode,
  topicPartitionZnode,
  topicZnode,
} from '../metadata/znodes.ts'
import type { ControllerTerm } from './controller-term.ts'
import { deleteTree } from './delete-tree.ts'
import { inFlight } from './in-flight.ts'
import { stateOf } from './read-leadership.ts'

type CreateState = Extract<Write, { write: 'create-state' }>
type UpdateState = Extract<Write, { write: 'update-state' }>
type StateWrite = CreateState | UpdateState
type UpdateAssignment = Extract<Write, { write: 'update-assignment' }>
type ForgetReassignments = Extract<Write, { write: 'forget-reassignments' }>

/** Carries out the writes of one step, side by side. Each is one fenced transaction, or several for a whole topic; many states share one. */
export class WriteExecutor {
  readonly #term: ControllerTerm
  readonly #logger: Logger

  constructor(term: ControllerTerm, logger: Logger) {
    this.#term = term
    this.#logger = logger
  }

  async run(writes: readonly Write[]): Promise<WriteOutcome[]> {
    const fresh = new Set(writes.filter(write => write.write === 'create-state').map(({ topic }) => topic))
    await inFlight([...fresh], topic => this.#createParent(topic))
    const bundles = bundlesOf(writes)
    return (await inFlight(bundles, bundle => this.#applyBundle(bundle))).flat()
  }

  async #applyBundle(writes: readonly Write[]): Promise<readonly WriteOutcome[]> {
    const [only] = writes
    if (only !== undefined && writes.length === 1) return [await this.#apply(only)]
    return await this.#applyStates(writes as StateWrite[])
  }

  /** In one transaction, which most often works. Else it did nothing, and each is tried by itself; or nobody knows, and each is looked up. */
  async #applyStates(writes: readonly StateWrite[]): Promise<WriteOutcome[]> {
    try {
      await this.#term.write(writes.flatMap(operationsOf))
      return writes.map(() => 'done')
    } catch (error) {
      if (isCoordinationError(error, 'UNKNOWN_OUTCOME')) return await inFlight(writes, write => this.#goOn(write))
      if (!isCoordinationError(error, 'NODE_EXISTS', 'BAD_VERSION', 'NO_NODE', 'NOT_CONNECTED')) throw error
      this.#logger.debug('bundle of writes refused', { path: error.path, code: error.code, count: writes.length })
      return await inFlight(writes, write => this.#apply(write))
    }
  }

  async #goOn(write: StateWrite): Promise<WriteOutcome> {
    const found = await this.#readBack(write, write.leadership)
    return found === 'again' ? await this.#apply(write) : found
  }

  #apply(write: Write): Promise<WriteOutcome> {
    switch (write.write) {
      case 'create-state':
        return this.#createState(write)
      case 'update-state':
        return this.#updateState(write)
      case 'update-assignment':
        return this.#updateAssignment(write)
      case 'delete-topic':
        return this.#deleteTopic(write.topic)
      case 'delete-marker':
        return this.#deleteMarker(write.topic)
      case 'forget-reassignments':
        return this.#forgetReassignments(write)
      case 'delete-preferred-election':
        return this.#deletePreferredElection()
    }
  }

  /** Whether it worked shows in what follows: a topic that is gone makes its states conflict. */
  async #createParent(topic: string): Promise<void> {
    const path = topicPartitionsZnode.path(topic)
    await this.#decide([{ op: 'create', path, data: null }], async () =>
      (await this.#exists(path)) ? 'done' : 'again',
    )
  }

  async #createState(write: CreateState): Promise<WriteOutcome> {
    const { leadership } = write
    const [parent, state] = creationOf(write)
    const readBack = (): Promise<'done' | 'again' | 'conflict'> => this.#readBack(write, leadership)
    const outcome = await this.#decide([parent, state], readBack)
    if (outcome !== 'conflict' || (await this.#exists(state.path))) return outcome
    // The folder of the partition was there without a state: a controller stopped between the two.
    return (await this.#exists(parent.path)) ? await this.#decide([state], readBack) : 'conflict'
  }

  #updateState(write: UpdateState): Promise<WriteOutcome> {
    return this.#decide([updateOf(write)], () => this.#readBack(write, write.leadership))
  }

  /**
   * Only the partitions that change: others may have been added since the controller last read. Conflict: the topic is gone,
   * or is another one of the same name.
   */
  async #updateAssignment({ topic, topicId, partitions, dropped = [] }: UpdateAssignment): Promise<WriteOutcome> {
    const path = topicZnode.path(topic)
    for (;;) {
      const found = await this.#readIfSound(topicZnode, path)
      if (found === null || (found.value.topicId ?? topicId) !== topicId) return 'conflict'
      const replicas = new Map(found.value.partitions)
      const addingReplicas = new Map(found.value.addingReplicas)
      const removingReplicas = new Map(found.value.removingReplicas)
      for (const [partition, assignment] of partitions) {
        replicas.set(partition, assignment.replicas)
        setUnlessEmpty(addingReplicas, partition, assignment.addingReplicas)
        setUnlessEmpty(removingReplicas, partition, assignment.removingReplicas)
      }
      for (const partition of dropped) replicas.delete(partition)
      const data = topicZnode.encode({ topicId, partitions: replicas, addingReplicas, removingReplicas })
      const outcome = await this.#decide([{ op: 'set', path, data, version: found.stat.version }], () =>
        Promise.resolve('conflict'),
      )
      // Refused or in doubt: what is there now is read, and the same is written once more or to a newer version.
      if (outcome === 'done') return 'done'
    }
  }

  async #forgetReassignments({ requests }: ForgetReassignments): Promise<WriteOutcome> {
    const path = reassignPartitionsZnode.path()
    for (;;) {
      const found = await this.#readIfSound(reassignPartitionsZnode, path)
      if (found === null) return 'done'
      const remaining = found.value.filter(listed => !requests.some(request => isAbout(request, listed)))
      if (remaining.length === found.value.length && remaining.length > 0) return 'done'
      const { version } = found.stat
      const change: Operation =
        remaining.length === 0
          ? { op: 'delete', path, version }
          : { op: 'set', path, data: reassignPartitionsZnode.encode(remaining), version }
      if ((await this.#decide([change], () => Promise.resolve('conflict'))) === 'done') return 'done'
    }
  }

  #deletePreferredElection(): Promise<WriteOutcome> {
    const path = preferredElectionZnode.path()
    return this.#decide([{ op: 'delete', path, version: AnyVersion }], () => Promise.resolve('again'))
  }

  /**
   * Partitions first; then topic, settings and marker together. Kafka deletes them one after another, and a controller that
   * dies in between leaves settings that nobody removes: its successor takes the marker for that of an unknown topic.
   */
  async #deleteTopic(topic: string): Promise<WriteOutcome> {
    const paths = [topicZnode.path(topic), configZnode.path(`topics/${topic}`), deleteTopicZnode.path(topic)]
    for (;;) {
      await deleteTree(this.#term, topicPartitionsZnode.path(topic))
      const exist = await inFlight(paths, path => this.#exists(path))
      const deletions = paths
        .filter((_, index) => exist[index])
        .map((path): Operation => ({ op: 'delete', path, version: AnyVersion }))
      if (deletions.length === 0) return 'done'
      try {
        await this.#term.write(deletions)
        return 'done'
      } catch (error) {
        // Somebody made or deleted one of them meanwhile, or the answer was lost: look again.
        if (!isCoordinationError(error, 'NO_NODE', 'NOT_EMPTY', 'UNKNOWN_OUTCOME', 'NOT_CONNECTED')) throw error
      }
    }
  }

  async #deleteMarker(topic: string): Promise<WriteOutcome> {
    await deleteTree(this.#term, deleteTopicZnode.path(topic))
    return 'done'
  }

  /**
   * One transaction. What is refused by the state of the tree is a conflict; where the answer was lost, `readBack` tells
   * whether it had been applied.
   */
  async #decide(
    operations: readonly Operation[],
    readBack: () => Promise<'done' | 'again' | 'conflict'>,
  ): Promise<WriteOutcome> {
    for (;;) {
      try {
        await this.#term.write(operations)
        return 'done'
      } catch (error) {
        if (isCoordinationError(error, 'NODE_EXISTS', 'BAD_VERSION', 'NO_NODE')) {
          this.#logger.debug('write refused', { path: error.path, code: error.code })
          return 'conflict'
        }
        if (isCoordinationError(error, 'NOT_CONNECTED')) continue
        if (!isCoordinationError(error, 'UNKNOWN_OUTCOME')) throw error
        const found = await readBack()
        if (found !== 'again') return found
      }
    }
  }

  /** Applied when the znode holds exactly what was to be written, at the version it would have. */
  async #readBack(
    { topic, partition }: { readonly topic: string; readonly partition: number },
    wanted: Leadership,
  ): Promise<'done' | 'again' | 'conflict'> {
    const path = partitionStateZnode.path(topic, partition)
    const expected = partitionStateZnode.encode(stateOf(wanted))
    try {
      const { data, stat } = await this.#term.read(coordination => coordination.get(path))
      if (stat.version === wanted.partitionEpoch && data.equals(expected)) return 'done'
      return stat.version === wanted.partitionEpoch - 1 ? 'again' : 'conflict'
    } catch (error) {
      if (!isCoordinationError(error, 'NO_NODE')) throw error
      return wanted.partitionEpoch === 0 ? 'again' : 'conflict'
    }
  }

  /** Null where there is no such znode, or one that makes no sense: that one is left alone. */
  async #readIfSound<Value>(znode: Znode<never, Value>, path: string): Promise<Versioned<Value> | null> {
    try {
      return await this.#term.read(coordination => read(coordination, znode, path))
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error
      this.#logger.error('znode cannot be read: it is not changed', { path, error })
      return null
    }
  }

  async #exists(path: string): Promise<boolean> {
    return (await this.#term.read(coordination => coordination.exists(path))) !== null
  }
}

/** States in one transaction. ZooKeeper takes a few thousand transactions a second, however small; a request may have 1 MB. */
const statesTogether = 100
/** So few are written one by one: their answers come as soon, and one that is refused costs no second try. */
const fewStates = 8

const isState = (write: Write): write is StateWrite => write.write === 'create-state' || write.write === 'update-state'

/** In the order of the writes. */
function bundlesOf(writes: readonly Write[]): Write[][] {
  if (writes.length <= fewStates) return writes.map(write => [write])
  const bundles: Write[][] = []
  let open: Write[] | null = null
  for (const write of writes) {
    if (!isState(write)) {
      bundles.push([write])
      open = null
    } else if (open !== null && open.length < statesTogether) open.push(write)
    else bundles.push((open = [write]))
  }
  return bundles
}

const operationsOf = (write: StateWrite): readonly Operation[] =>
  write.write === 'create-state' ? creationOf(write) : [updateOf(write)]

/** The partition's folder and its state. */
function creationOf({ topic, partition, leadership }: CreateState): [Operation, Operation] {
  const data = partitionStateZnode.encode(stateOf(leadership))
  return [
    { op: 'create', path: topicPartitionZnode.path(topic, partition), data: null },
    { op: 'create', path: partitionStateZnode.path(topic, partition), data },
  ]
}

function updateOf({ topic, partition, leadership, expectedEpoch }: UpdateState): Operation {
  const data = partitionStateZnode.encode(stateOf(leadership))
  return { op: 'set', path: partitionStateZnode.path(topic, partition), data, version: expectedEpoch }
}

function setUnlessEmpty(lists: Map<number, readonly number[]>, partition: number, replicas: readonly number[]): void {
  if (replicas.length === 0) lists.delete(partition)
  else lists.set(partition, replicas)
}

const isAbout = (
  request: ForgetReassignments['requests'][number],
  listed: { readonly topic: string; readonly partition: number; readonly replicas: readonly number[] },
): boolean =>
  request.topic === listed.topic &&
  request.partition === listed.partition &&
  (request.replicas === null || request.replicas.join() === listed.replicas.join())
