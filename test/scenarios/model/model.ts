import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import {
  AnyController,
  type IsrAnswer,
  type IsrAttempt,
  type IsrProposal,
} from '@millrace/broker/core/partition/in-sync-set'
import type { FetchAnswer, FetchStep } from '@millrace/broker/core/partition/partition-follower'
import type { LeaderEffects, LeaderTerms } from '@millrace/broker/core/partition/partition-leader'
import { answerAlterPartition } from './controller-answer.ts'
import type { Machines } from './machines.ts'
import {
  copyReplica,
  ModelLog,
  type Message,
  type Order,
  type Rec,
  type Replica,
  type World,
  type Znode,
} from './world.ts'

/** How much of the world is searched, and how it behaves. */
export interface Bounds {
  readonly replicas: number
  /** Records per log. */
  readonly logEnd: number
  /** Leader epochs 0 to this. */
  readonly lastEpoch: number
  /** Fetches and answers that are on the wire at one time. */
  readonly heldFetches: number
  /** Answers of AlterPartition on the wire at one time. */
  readonly heldAlters: number
  /** An AlterPartition that was sent again stays on the wire: it arrives twice. */
  readonly copiedAlters: boolean
  /** Attempts of AlterPartition name the term they are for, and have numbers; else any controller may write any of them, as beside Kafka's brokers. */
  readonly namesTerms: boolean
  /** Restarts of a replica outside the ISR that lose the end of its log. */
  readonly restarts: number
  /** Controllers that are elected after the first. */
  readonly successions: number
  /** How often a controller takes a replica to be shutting down, or thinks better of it. */
  readonly shuns: number
  readonly minInSyncReplicas: number
  /** -1: whoever is behind lags, so any shrink may happen at any time. */
  readonly lagTimeMaxMs: number
  /** Old followers ask OffsetForLeaderEpoch instead (inter-broker protocol below 2.7). */
  readonly truncatesOnFetch: boolean
  /** Orders of epochs that a broker has left are delivered too: the machines refuse them. */
  readonly staleOrders: boolean
  /** Most records in one answer. */
  readonly fetchRecords: number
}

export type Action =
  | {
      readonly do: 'write' | 'tick' | 'fetch' | 'ask' | 'ask-and-hold' | 'restart' | 'lose' | 'elect' | 'fail-over'
      readonly replica: number
    }
  | { readonly do: 'hear'; readonly replica: number; readonly epoch: number }
  /** Another controller: what earlier ones wrote it has read, and what is for them is not written any more. */
  | { readonly do: 'succeed' }
  | { readonly do: 'shun'; readonly replica: number }
  /** The message arrives. `lost`: its answer does not; `held`: its answer is under way. */
  | { readonly do: 'deliver'; readonly message: number; readonly then: 'answered' | 'lost' | 'held' }
  | { readonly do: 'wait'; readonly ms: number }

/** What the shell of a leader was told while one action ran. */
interface Told {
  readonly replica: number
  readonly proposal: IsrProposal
}

/** Longer than any walk: until the world is healed, an AlterPartition without an answer may still be written. */
export const attemptLifetimeMs = 10_000

/**
 * Drives the shipped machines as `replication/` does, one step at a time: the order of the steps is the searcher's choice.
 * The controller elects whomever it likes of the ISR whenever it likes: whatever it has reason to do is among that.
 */
export class Model {
  readonly machines: Machines
  readonly bounds: Bounds
  private world!: World
  private told: Told[] = []
  private readonly fresh = new Set<number>()
  private readonly ids: readonly number[]
  private readonly effects: readonly LeaderEffects[]
  private readonly terms: readonly LeaderTerms[]

  constructor(machines: Machines, bounds: Bounds) {
    this.machines = machines
    this.bounds = bounds
    this.ids = Array.from({ length: bounds.replicas }, (_, id) => id)
    this.effects = this.ids.map(id => ({
      leaderEpochBegan: (epoch, startOffset) =>
        void this.world.replicas[id]!.log.leaderEpochs.assign(epoch, startOffset),
      highWatermarkAdvanced: highWatermark => {
        const { log, leader } = this.world.replicas[id]!
        assert(
          highWatermark > log.highWatermark && highWatermark <= log.logEndOffset,
          'a high watermark rises within the log',
        )
        if (leader !== null)
          assert(
            leader.inSyncReplicas.length >= Math.min(bounds.minInSyncReplicas, bounds.replicas),
            'enough replicas commit',
          )
        log.highWatermark = highWatermark
      },
      inSyncReplicasProposed: proposal => void this.told.push({ replica: id, proposal }),
    }))
    this.terms = this.ids.map(id => ({
      minInSyncReplicas: () => bounds.minInSyncReplicas,
      replicaLagTimeMaxMs: () => bounds.lagTimeMaxMs,
      isBrokerAlive: () => true,
      brokerEpoch: () => this.world.replicas[id]!.brokerEpoch,
    }))
  }

  /** Replica 0 leads, and everybody has heard so. */
  initial(): World {
    const { LeaderEpochCache } = this.machines
    const znode: Znode = { leader: 0, leaderEpoch: 0, inSyncReplicas: this.ids, partitionEpoch: 0 }
    let world: World = {
      znode,
      orders: [{ ...znode, brokerEpochs: this.ids.map(() => 0) }],
      replicas: this.ids.map(() => ({
        log: new ModelLog([], 0, new LeaderEpochCache()),
        leaderEpoch: -1,
        partitionEpoch: -1,
        brokerEpoch: 0,
        leader: null,
        follower: null,
        refused: ErrorCode.NONE,
      })),
      network: [],
      exposed: [],
      restarts: 0,
      controllerEpoch: 1,
      attempts: 0,
      newestAttempts: this.ids.map(() => -1),
      shunned: -1,
      shuns: 0,
      nowMs: 0,
    }
    for (const replica of this.ids) world = this.apply(world, { do: 'hear', replica, epoch: 0 })
    return world
  }

  actions(world: World): Action[] {
    const { bounds } = this
    const { znode, network, orders } = world
    const actions: Action[] = []
    const heldFetches = network.reduce((count, { kind }) => count + (kind === 'fetch' || kind === 'fetched' ? 1 : 0), 0)
    const heldAlters = network.reduce((count, { kind }) => count + (kind === 'altered' ? 1 : 0), 0)
    for (const replica of this.ids) {
      const { leader, follower, log, leaderEpoch } = world.replicas[replica]!
      if (leader !== null && log.logEndOffset < bounds.logEnd) actions.push({ do: 'write', replica })
      if (leader !== null && leader.isrState === 'committed') actions.push({ do: 'tick', replica })
      if (follower !== null && follower.next(world.nowMs).kind !== 'failed') {
        actions.push({ do: 'fetch', replica })
        if (heldFetches < bounds.heldFetches) actions.push({ do: 'ask', replica }, { do: 'ask-and-hold', replica })
      }
      for (let epoch = bounds.staleOrders ? 0 : leaderEpoch + 1; epoch < orders.length; epoch++) {
        if (epoch !== leaderEpoch) actions.push({ do: 'hear', replica, epoch })
      }
      const isInSync = znode.inSyncReplicas.includes(replica)
      if (world.shuns < bounds.shuns && (world.shunned === -1 ? !isInSync : world.shunned === replica)) {
        actions.push({ do: 'shun', replica })
      }
      if (world.restarts < bounds.restarts && !isInSync) actions.push({ do: 'restart', replica })
      if (orders.length <= bounds.lastEpoch) {
        if (znode.leader === replica || (isInSync && znode.inSyncReplicas.length > 1))
          actions.push({ do: 'lose', replica })
        if (isInSync && znode.leader !== replica) {
          actions.push({ do: 'elect', replica })
          if (znode.leader >= 0) actions.push({ do: 'fail-over', replica })
        }
      }
    }
    if (world.controllerEpoch <= bounds.successions) actions.push({ do: 'succeed' })
    network.forEach((held, message) => {
      actions.push({ do: 'deliver', message, then: 'answered' })
      if (held.kind === 'fetch') actions.push({ do: 'deliver', message, then: 'held' })
      if (held.kind === 'alter' && held.copy === 0) {
        actions.push({ do: 'deliver', message, then: 'lost' })
        if (heldAlters < bounds.heldAlters) actions.push({ do: 'deliver', message, then: 'held' })
      }
    })
    return actions
  }

  /** The world after `action`; the given one stays as it is. Throws what the machines assert. */
  apply(world: World, action: Action): World {
    this.world = world
    this.told = []
    this.fresh.clear()
    switch (action.do) {
      case 'write':
        this.write(action.replica)
        break
      case 'tick':
        this.touch(action.replica).leader!.onTick(world.nowMs)
        break
      case 'fetch':
        this.fetch(action.replica, 'whole')
        break
      case 'ask':
        this.fetch(action.replica, 'hold-question')
        break
      case 'ask-and-hold':
        this.fetch(action.replica, 'hold-answer')
        break
      case 'hear':
        this.hear(action.replica, world.orders[action.epoch]!)
        break
      case 'restart':
        this.restart(action.replica)
        break
      case 'lose':
        this.lose(action.replica)
        break
      case 'elect':
        this.order({ leader: action.replica, inSyncReplicas: world.znode.inSyncReplicas })
        break
      case 'fail-over':
        this.order({
          leader: action.replica,
          inSyncReplicas: world.znode.inSyncReplicas.filter(id => id !== world.znode.leader),
        })
        break
      case 'deliver':
        this.deliver(world.network[action.message]!, action.then)
        break
      case 'succeed':
        this.world = {
          ...world,
          controllerEpoch: world.controllerEpoch + 1,
          newestAttempts: this.ids.map(() => -1),
          shunned: -1,
        }
        break
      case 'shun':
        this.world = { ...world, shunned: world.shunned === -1 ? action.replica : -1, shuns: world.shuns + 1 }
        break
      case 'wait':
        this.wait(action.ms)
        break
    }
    for (const { replica, proposal } of this.told) {
      this.propose(replica, proposal)
    }
    return this.world
  }

  /** What machines assume of time: so old an attempt, of whose answer nobody heard, has died. */
  private wait(ms: number): void {
    const { network, nowMs } = this.world
    const isDead = (each: Message): boolean => ms >= attemptLifetimeMs && each.kind === 'alter' && each.copy === 1
    this.world = { ...this.world, nowMs: nowMs + ms, network: network.filter(each => !isDead(each)) }
  }

  private write(id: number): void {
    const replica = this.touch(id)
    const leader = replica.leader!
    replica.refused = leader.admission()
    if (replica.refused !== ErrorCode.NONE) return
    replica.log.append([leader.leaderEpoch * 8 + id])
    leader.onAppended(replica.log.logEndOffset, this.world.nowMs)
  }

  /** LeaderAndIsr arrives: replication/partition.ts in short. */
  private hear(id: number, order: Order): void {
    const { checkControllerRequest, judgeLeaderState, ZERO_TOPIC_ID } = this.machines
    const before = this.world.replicas[id]!
    const requestCode = checkControllerRequest({
      requestBrokerEpoch: order.brokerEpochs[id]!,
      brokerEpoch: before.brokerEpoch,
      requestControllerEpoch: 1,
      highestControllerEpoch: 1,
    })
    const verdict = judgeLeaderState({
      isOffline: false,
      localTopicId: null,
      hasLog: true,
      requestTopicId: ZERO_TOPIC_ID,
      currentLeaderEpoch: before.leaderEpoch,
      requestLeaderEpoch: order.leaderEpoch,
      isReplica: true,
    })
    if (requestCode !== ErrorCode.NONE || verdict !== 'apply' || order.partitionEpoch < before.partitionEpoch) return
    const replica = this.touch(id)
    const { nowMs } = this.world
    const { log } = replica
    replica.leaderEpoch = order.leaderEpoch
    replica.partitionEpoch = order.partitionEpoch
    replica.leader = null
    replica.follower = null
    if (order.leader === id) {
      replica.leader = new this.machines.PartitionLeader(
        {
          brokerId: id,
          leaderEpoch: order.leaderEpoch,
          partitionEpoch: order.partitionEpoch,
          inSyncReplicas: order.inSyncReplicas,
          replicas: this.ids,
          highWatermark: log.highWatermark,
          logEndOffset: log.logEndOffset,
          nextOffset: log.nextOffset,
          nowMs,
          requiresBrokerEpoch: true,
          attemptLifetimeMs,
        },
        this.terms[id]!,
        this.effects[id]!,
      )
      replica.leader.onElected(nowMs)
    } else if (order.leader >= 0) {
      const start = {
        brokerId: id,
        leaderId: order.leader,
        leaderEpoch: order.leaderEpoch,
        truncatesOnFetch: this.bounds.truncatesOnFetch,
        backoffMs: 0,
      }
      replica.follower = new this.machines.PartitionFollower(start, log)
    }
  }

  /** The fetcher's turn: cuts what is to be cut, then asks. */
  private fetch(id: number, how: 'whole' | 'hold-question' | 'hold-answer'): void {
    const replica = this.touch(id)
    const follower = replica.follower!
    for (let turn = 0; turn < 10; turn++) {
      const step = follower.next(this.world.nowMs)
      if (step.kind === 'truncate') {
        replica.log.truncateTo(step.endOffset)
        follower.onTruncated()
      } else if (step.kind === 'ask-epoch-end') {
        follower.onEpochEnd(step, this.endOfEpoch(follower.leaderId, step), this.world.nowMs)
        if (follower.next(this.world.nowMs).kind === 'ask-epoch-end') return
      } else if (step.kind === 'ask-leader-end') {
        const { errorCode, replica: leader } = this.findLeader(follower.leaderId, step.leaderEpoch)
        follower.onLeaderEnd(step, { errorCode, offset: leader.log.logEndOffset }, this.world.nowMs)
        if (errorCode !== ErrorCode.NONE) return
      } else if (step.kind === 'ask-leader-start') {
        const { errorCode } = this.findLeader(follower.leaderId, step.leaderEpoch)
        follower.onLeaderStart(step, { errorCode, offset: 0 }, this.world.nowMs)
        if (errorCode !== ErrorCode.NONE) return
      } else if (step.kind === 'fetch') {
        const { brokerEpoch } = replica
        if (how === 'hold-question') {
          this.send({ kind: 'fetch', from: id, to: follower.leaderId, brokerEpoch, asked: step })
          return
        }
        const { answer, records } = this.serve(id, follower.leaderId, brokerEpoch, step)
        if (how === 'whole') this.take(id, step, answer, records)
        else this.send({ kind: 'fetched', to: id, brokerEpoch, asked: step, answer, records })
        return
      } else return
    }
    assert(false, 'a follower asks or waits after a few cuts')
  }

  private findLeader(leaderId: number, requestEpoch: number): { errorCode: ErrorCode; replica: Replica } {
    const replica = this.touch(leaderId)
    const { leaderEpoch: localEpoch, leader } = replica
    const isLeader = leader !== null
    return {
      errorCode: this.machines.checkLeaderEpoch({ requestEpoch, localEpoch, isLeader, mustLead: true }),
      replica,
    }
  }

  private endOfEpoch(
    leaderId: number,
    asked: { leaderEpoch: number; epoch: number },
  ): { errorCode: ErrorCode; leaderEpoch: number; endOffset: number } {
    const { errorCode, replica } = this.findLeader(leaderId, asked.leaderEpoch)
    return { errorCode, ...replica.log.leaderEpochs.endOffsetFor(asked.epoch, replica.log.logEndOffset) }
  }

  /** api/01-fetch in short. The offsets that are answered are those from before the read. */
  private serve(
    followerId: number,
    leaderId: number,
    brokerEpoch: number,
    asked: FetchStep,
  ): { answer: FetchAnswer; records: readonly Rec[] } {
    const { errorCode, replica } = this.findLeader(leaderId, asked.leaderEpoch)
    const noEpoch = { leaderEpoch: -1, endOffset: -1 }
    const refused = { errorCode, highWatermark: -1, logStartOffset: -1, divergingEpoch: noEpoch }
    if (errorCode !== ErrorCode.NONE) return { answer: refused, records: [] }
    const { log, leader } = replica
    const { fetchOffset, lastFetchedEpoch, logStartOffset } = asked
    const { highWatermark } = log
    const position = this.machines.fetchPosition({
      fetchOffset,
      lastFetchedEpoch,
      logStartOffset: 0,
      logEndOffset: log.logEndOffset,
      leaderEpochs: log.leaderEpochs,
    })
    if (position === 'out-of-range') {
      return { answer: { ...refused, errorCode: ErrorCode.OFFSET_OUT_OF_RANGE }, records: [] }
    }
    const found = { errorCode, highWatermark, logStartOffset: 0 }
    if (position !== 'in-range') return { answer: { ...found, divergingEpoch: position }, records: [] }
    const fetch = { brokerId: followerId, brokerEpoch, fetchOffset, logStartOffset }
    leader!.onFollowerFetch(fetch, log.logEndOffset, this.world.nowMs)
    const records = log.records.slice(fetchOffset, fetchOffset + this.bounds.fetchRecords)
    return { answer: { ...found, divergingEpoch: noEpoch }, records }
  }

  private take(id: number, asked: FetchStep, answer: FetchAnswer, records: readonly Rec[]): void {
    const { log, follower } = this.touch(id)
    if (follower === null || follower.onFetchAnswer(asked, answer, this.world.nowMs) === 'skip') return
    assert(asked.fetchOffset === log.nextOffset, 'records go where they were asked for')
    log.append(records)
    const { highWatermark, logStartOffset } = follower.onAppended(log.nextOffset, answer)
    assert(highWatermark <= log.logEndOffset, 'a high watermark lies within the log')
    assert(logStartOffset <= highWatermark, 'what is not committed is kept')
    log.highWatermark = highWatermark
  }

  private deliver(message: Message, then: 'answered' | 'lost' | 'held'): void {
    this.forget(message)
    switch (message.kind) {
      case 'fetch': {
        const { from, to, brokerEpoch, asked } = message
        const { answer, records } = this.serve(from, to, brokerEpoch, asked)
        if (this.world.replicas[from]!.brokerEpoch !== brokerEpoch) return
        if (then === 'held') this.send({ kind: 'fetched', to: from, brokerEpoch, asked, answer, records })
        else this.take(from, asked, answer, records)
        return
      }
      case 'fetched': {
        const { to, brokerEpoch, asked, answer, records } = message
        if (this.world.replicas[to]!.brokerEpoch === brokerEpoch) this.take(to, asked, answer, records)
        return
      }
      case 'altered':
        return this.tell(message.to, message.proposal, message.answer, message.attempt)
      case 'alter': {
        const { from, proposal, attempt, number } = message
        const { controllerEpoch } = attempt
        const named = { controllerEpoch, number: this.bounds.namesTerms ? number : -1 }
        const { znode, answer } = answerAlterPartition(this.machines, this.world, from, proposal, named)
        if (znode !== null) this.world = { ...this.world, znode }
        const isLookedAt = controllerEpoch === this.world.controllerEpoch && number > this.world.newestAttempts[from]!
        if (isLookedAt) {
          const newestAttempts = this.world.newestAttempts.map((each, id) => (id === from ? number : each))
          this.world = { ...this.world, newestAttempts }
        }
        if (then === 'lost' && this.bounds.copiedAlters) this.send({ ...message, copy: 1 })
        if (then === 'held') this.send({ kind: 'altered', to: from, proposal, answer, attempt })
        else if (message.copy === 0) this.tell(from, proposal, then === 'lost' ? 'unknown' : answer, attempt)
        return
      }
    }
  }

  /** To the controller in office: a leader that has not heard of it is turned away, and asks again. */
  private propose(from: number, proposal: IsrProposal): void {
    const { nowMs: sentAtMs, controllerEpoch: term } = this.world
    const controllerEpoch = this.bounds.namesTerms ? term : AnyController
    const number = this.world.attempts + 1
    this.world = { ...this.world, attempts: number }
    this.send({ kind: 'alter', from, copy: 0, proposal, attempt: { sentAtMs, controllerEpoch }, number })
  }

  private tell(id: number, proposal: IsrProposal, answer: IsrAnswer, attempt: IsrAttempt): void {
    const replica = this.touch(id)
    if (replica.leader === null) return
    const verdict = replica.leader.onIsrAnswer(proposal, answer, this.world.nowMs, attempt)
    if (verdict === 'retry') this.propose(id, proposal)
    if (verdict === 'committed') replica.partitionEpoch = replica.leader.partitionEpoch
  }

  /** A replica outside the ISR restarts and has lost the end of its log. The controller tells its new life how things are. */
  private restart(id: number): void {
    const replica = this.touch(id)
    replica.log.truncateTo(Math.max(0, replica.log.logEndOffset - 1))
    replica.brokerEpoch++
    replica.leaderEpoch = -1
    replica.partitionEpoch = -1
    replica.leader = null
    replica.follower = null
    const { orders, restarts, znode } = this.world
    const last = orders.at(-1)!
    const brokerEpochs = last.brokerEpochs.map((epoch, index) => (index === id ? replica.brokerEpoch : epoch))
    const resent = { ...znode, brokerEpochs }
    // Its connections ended with its process: no answer finds it any more.
    const network = this.world.network.filter(each => each.kind !== 'fetched' || each.to !== id)
    this.world = { ...this.world, network, orders: [...orders.slice(0, -1), resent], restarts: restarts + 1 }
  }

  private lose(id: number): void {
    const { leader, inSyncReplicas } = this.world.znode
    this.order({
      leader: leader === id ? -1 : leader,
      inSyncReplicas: inSyncReplicas.length === 1 ? inSyncReplicas : inSyncReplicas.filter(each => each !== id),
    })
  }

  private order(change: { leader: number; inSyncReplicas: readonly number[] }): void {
    const { znode, orders, replicas } = this.world
    const next = { ...change, leaderEpoch: znode.leaderEpoch + 1, partitionEpoch: znode.partitionEpoch + 1 }
    const brokerEpochs = replicas.map(({ brokerEpoch }) => brokerEpoch)
    this.world = { ...this.world, znode: next, orders: [...orders, { ...next, brokerEpochs }] }
  }

  private send(message: Message): void {
    // Of attempts that are the same but for their number the newest is kept: what an older one may do it may do as well.
    const isOlder = (each: Message): boolean =>
      message.kind === 'alter' &&
      each.kind === 'alter' &&
      each.proposal === message.proposal &&
      each.copy === message.copy &&
      each.attempt.controllerEpoch === message.attempt.controllerEpoch
    const network = this.world.network.filter(each => !isOlder(each))
    this.world = { ...this.world, network: [...network, message] }
  }

  private forget(message: Message): void {
    this.world = { ...this.world, network: this.world.network.filter(each => each !== message) }
  }

  /** This replica, in a copy that may be changed: one copy per action. */
  private touch(id: number): Replica {
    const replica = this.world.replicas[id]!
    if (this.fresh.has(id)) return replica
    this.fresh.add(id)
    const copy = copyReplica(replica, this.machines.LeaderEpochCache)
    this.world = { ...this.world, replicas: this.world.replicas.map((each, index) => (index === id ? copy : each)) }
    return copy
  }
}
