import { isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Coordination, Operation, OperationResult } from '@millrace/zookeeper/coordination'
import { ControllerMoved, fencedMulti, type ControllerFence } from '../metadata/coordination.ts'
import { connectionBack, whileConnected } from './while-connected.ts'

/**
 * One won election, and the only way to write as its controller. Every write carries a check of `/controller_epoch` at
 * the version that this election gave it: ZooKeeper itself refuses a deposed controller (KAFKA-6082).
 */
export class ControllerTerm {
  readonly #fence: ControllerFence
  readonly #coordination: Coordination
  readonly #generation: number
  #isOver = false

  constructor(options: {
    readonly coordination: Coordination
    readonly fence: ControllerFence
    /** Session in which it was won: with it, `/controller` vanishes. */
    readonly generation: number
  }) {
    this.#coordination = options.coordination
    this.#fence = options.fence
    this.#generation = options.generation
  }

  get controllerEpoch(): number {
    return this.#fence.epoch
  }

  get isOver(): boolean {
    return this.#isOver || this.#coordination.session?.generation !== this.#generation
  }

  /** From now on nothing more is written or read in this term. */
  end(): void {
    this.#isOver = true
  }

  /** Throws ControllerMoved once the term is over: to be called after every await. */
  check(): void {
    if (this.isOver) throw new ControllerMoved(this.controllerEpoch)
  }

  /** Reads, again after each lost connection. Throws ControllerMoved when the term ends meanwhile. */
  async read<T>(attempt: (coordination: Coordination) => Promise<T>): Promise<T> {
    this.check()
    const answer = await this.#inTerm(
      whileConnected(this.#coordination, this.#generation, () => attempt(this.#coordination)),
    )
    this.check()
    return answer
  }

  /**
   * All or nothing, only while this broker is controller. Throws ControllerMoved, or the CoordinationError of the
   * operation that failed, whose index counts as in `operations`. UNKNOWN_OUTCOME and NOT_CONNECTED reach the caller once
   * the connection is back: it reads what became of the write, and decides.
   */
  async write(operations: readonly Operation[]): Promise<OperationResult[]> {
    this.check()
    try {
      return await this.#inTerm(fencedMulti(this.#coordination, this.#fence, operations))
    } catch (error) {
      if (error instanceof ControllerMoved) this.end()
      if (isCoordinationError(error, 'NOT_CONNECTED', 'UNKNOWN_OUTCOME')) {
        await this.#inTerm(connectionBack(this.#coordination, this.#generation))
      }
      throw error
    }
  }

  async #inTerm<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise
    } catch (error) {
      if (isCoordinationError(error, 'SESSION_EXPIRED', 'CLOSED')) {
        this.end()
        throw new ControllerMoved(this.controllerEpoch, { cause: error })
      }
      throw error
    }
  }
}
