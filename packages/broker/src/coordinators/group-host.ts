import { ErrorCode } from '@millrace/protocol/errors'
import type { Deadline, Deadlines } from '@millrace/runtime/deadline'
import type { Clock } from '@millrace/runtime/ports'
import type { GroupReply, Moment } from '../core/groups/group-requests.ts'
import type { GroupShard } from '../core/groups/group-shard.ts'
import type { Effects } from '../core/groups/step.ts'
import type { GroupEntry } from '../core/groups/entries.ts'
import { ParkedRequests } from './parked-requests.ts'
import type { ShardRuntime } from './shard-runtime.ts'

export interface GroupHostOptions {
  readonly shard: GroupShard
  readonly clock: Clock
  readonly deadlines: Deadlines
}

/** One shard of groups in the world: its writes go to the log, its timers ring, and who is parked gets an answer. */
export class GroupHost {
  readonly shard: GroupShard
  readonly #options: GroupHostOptions
  readonly #parked = new ParkedRequests<(reply: never) => void>()
  /** By group, then by key: no name is made up for them, and no group id can be made to look like another and its key. */
  readonly #timers = new Map<string, Map<string, Deadline>>()
  #runtime: ShardRuntime<GroupEntry> | null = null
  #isSettling = false

  constructor(options: GroupHostOptions) {
    this.#options = options
    this.shard = options.shard
  }

  /** The log that the shard is about: before anything else. */
  attach(runtime: ShardRuntime<GroupEntry>): void {
    this.#runtime = runtime
  }

  get runtime(): ShardRuntime<GroupEntry> {
    if (this.#runtime === null) throw new TypeError('the host has no runtime yet')
    return this.#runtime
  }

  now(): Moment {
    const { clock } = this.#options
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() }
  }

  /** One step of the machine. Answers what the step answers. */
  run<T>(step: (shard: GroupShard, now: Moment) => T): T {
    const result = step(this.shard, this.now())
    this.#settle()
    return result
  }

  /** One step that replies to a token, now or later: `onReply` may run before this returns. */
  park<Reply extends GroupReply>(
    step: (shard: GroupShard, token: number, now: Moment) => void,
    onReply: (reply: Reply) => void,
  ): void {
    const token = this.#parked.park(onReply as (reply: never) => void)
    step(this.shard, token, this.now())
    this.#settle()
  }

  /** As `park`, for what is asked so seldom that a promise does not matter. */
  ask<Reply extends GroupReply>(step: (shard: GroupShard, token: number, now: Moment) => void): Promise<Reply> {
    return new Promise(resolve => this.park<Reply>(step, resolve))
  }

  /** The groups go: whoever waits is told, and nothing rings any more. */
  resign(errorCode: ErrorCode): void {
    this.runtime.resign()
    this.run(shard => shard.unload(errorCode))
    for (const timers of this.#timers.values()) for (const timer of timers.values()) timer.cancel()
    this.#timers.clear()
  }

  #settle(): void {
    // A write that is refused at once comes back in here: the loop outside takes what it led to.
    if (this.#isSettling) return
    this.#isSettling = true
    try {
      while (this.shard.hasEffects) this.#apply(this.shard.take())
    } finally {
      this.#isSettling = false
    }
  }

  #apply({ writes, replies, timers }: Effects): void {
    for (const { groupId, key, atMs } of timers) this.#setTimer(groupId, key, atMs)
    for (const write of writes) {
      this.runtime.append(write.entries, errorCode => {
        this.shard.onWritten(write, errorCode, this.now())
        this.#settle()
      })
    }
    for (const { token, response } of replies) {
      this.#parked.take(token)?.(response as never)
    }
  }

  #setTimer(groupId: string, key: string, atMs: number | null): void {
    let timers = this.#timers.get(groupId)
    timers?.get(key)?.cancel()
    if (atMs === null) {
      if (timers?.delete(key) === true && timers.size === 0) this.#timers.delete(groupId)
      return
    }
    if (timers === undefined) this.#timers.set(groupId, (timers = new Map()))
    const deadline = this.#options.deadlines.at(atMs, () => {
      // It is set again, or gone, after what it rings for.
      if (this.#timers.get(groupId)?.get(key) === deadline) this.#setTimer(groupId, key, null)
      this.run((shard, now) => shard.onTimer(groupId, key, now))
    })
    timers.set(key, deadline)
  }
}
