import { ErrorCode } from '@millrace/protocol/errors'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { emptyOf } from '@millrace/protocol/schema'
import type { Timer, World } from '@millrace/runtime/ports'
import type { Commit, StoredOffset } from '../checkers/check-group-work.ts'
import type { BrokerAddress, BrokerLinks } from './broker-links.ts'

export interface OffsetLedgerOptions {
  readonly brokers: () => readonly BrokerAddress[]
  readonly links: BrokerLinks
  readonly world: World
  readonly topic: string
  readonly groups: readonly string[]
  /** Commits per second and group. */
  readonly perSecond: number
  readonly record: (commit: Commit) => void
}

const pauseMs = 100

/**
 * Commits for groups without members ("simple" consumers), one number higher each time, and one at a time: what is stored in the end tells
 * whether an acknowledged commit was lost. Numbers stand for offsets; the records need not exist.
 */
export class OffsetLedger {
  private readonly options: OffsetLedgerOptions
  private readonly coordinators = new Map<string, number>()
  private readonly numbers = new Map<string, number>()
  private readonly underWay = new Set<string>()
  private timer: Timer | null = null
  private whenQuiet: (() => void) | null = null

  constructor(options: OffsetLedgerOptions) {
    this.options = options
  }

  start(): void {
    const { world, perSecond, groups } = this.options
    this.timer = world.timers.every(1000 / perSecond, () => {
      for (const group of groups) if (!this.underWay.has(group)) void this.commit(group)
    })
  }

  async stop(): Promise<void> {
    this.timer?.cancel()
    if (this.underWay.size > 0) await new Promise<void>(resolve => (this.whenQuiet = resolve))
  }

  /** What is stored for `partitions` of `topic` in each of `groups`. Rejects when a coordinator does not answer within `withinMs`. */
  async stored(groups: readonly string[], partitions: readonly number[], withinMs: number): Promise<StoredOffset[]> {
    const { clock } = this.options.world
    const endMs = clock.monotonicMs() + withinMs
    const stored: StoredOffset[] = []
    for (const group of groups) {
      for (;;) {
        try {
          stored.push(...(await this.fetch(group, partitions)))
          break
        } catch (error) {
          this.coordinators.delete(group)
          if (clock.monotonicMs() > endMs) throw error
          await this.pause()
        }
      }
    }
    return stored
  }

  private async fetch(groupId: string, partitionIndexes: readonly number[]): Promise<StoredOffset[]> {
    const { links, topic } = this.options
    const { groups } = await links.ask(await this.coordinatorOf(groupId), offsetFetchRequest, offsetFetchResponse, {
      ...emptyOf(offsetFetchRequest),
      groups: [
        {
          groupId,
          memberId: null,
          memberEpoch: -1,
          topics: [{ name: topic, partitionIndexes: [...partitionIndexes] }],
        },
      ],
      requireStable: true,
    })
    const { errorCode, topics } = groups[0]!
    const rows = topics[0]?.partitions ?? []
    const failed = errorCode !== ErrorCode.NONE ? errorCode : rows.find(each => each.errorCode !== 0)?.errorCode
    if (failed !== undefined) throw new Error(`offsets of ${groupId}: error ${failed}`)
    return rows.map(each => ({ group: groupId, partition: each.partitionIndex, offset: each.committedOffset }))
  }

  private async commit(groupId: string): Promise<void> {
    this.underWay.add(groupId)
    const { links, world, topic, record } = this.options
    const offset = (this.numbers.get(groupId) ?? 0) + 1
    let startMs = world.clock.monotonicMs()
    let result: Commit['result'] | 'not sent' = 'not sent'
    try {
      const coordinator = await this.coordinatorOf(groupId)
      await links.to(coordinator)
      this.numbers.set(groupId, offset)
      startMs = world.clock.monotonicMs()
      result = 'unknown'
      const row = { partitionIndex: 0, committedOffset: offset, committedMetadata: null }
      const { topics } = await links.ask(coordinator, offsetCommitRequest, offsetCommitResponse, {
        ...{ ...emptyOf(offsetCommitRequest), groupId },
        topics: [{ name: topic, partitions: [{ ...row, committedLeaderEpoch: -1, commitTimestamp: -1 }] }],
      })
      const errorCode = topics[0]?.partitions[0]?.errorCode
      if (errorCode === ErrorCode.NONE) result = 'ok'
      else throw new Error(`commit of ${groupId}: error ${errorCode}`)
    } catch {
      this.coordinators.delete(groupId)
      await this.pause()
    }
    const atMs = world.clock.monotonicMs()
    if (result !== 'not sent') record({ group: groupId, member: '', partition: 0, offset, startMs, atMs, result })
    this.underWay.delete(groupId)
    if (this.underWay.size === 0) this.whenQuiet?.()
  }

  /** As some running broker knows it. */
  private async coordinatorOf(group: string): Promise<number> {
    const known = this.coordinators.get(group)
    if (known !== undefined) return known
    const { links, brokers, world } = this.options
    const running = brokers().filter(({ isRunning }) => isRunning)
    const asked = running[world.random.uint32() % Math.max(1, running.length)]
    if (asked === undefined) throw new Error('no broker runs')
    const find = { ...emptyOf(findCoordinatorRequest), coordinatorKeys: [group] }
    const { coordinators } = await links.ask(asked.id, findCoordinatorRequest, findCoordinatorResponse, find)
    const { errorCode, nodeId } = coordinators[0]!
    if (errorCode !== ErrorCode.NONE) throw new Error(`coordinator of ${group}: error ${errorCode}`)
    this.coordinators.set(group, nodeId)
    return nodeId
  }

  private pause(): Promise<void> {
    return new Promise(resolve => void this.options.world.timers.after(pauseMs, resolve))
  }
}
