/** One fault of the bug ledger, put back into a copy of `broker/core`: `search` must occur exactly once in `file`. */
export interface Mutation {
  readonly name: string
  /** Where it was seen before. */
  readonly ledger: string
  readonly file: string
  readonly search: string
  readonly replace: string
}

const leader = 'partition/partition-leader.ts'
const inSync = 'partition/in-sync-set.ts'
const follower = 'partition/partition-follower.ts'
const progress = 'partition/follower-progress.ts'
const epochs = 'log/leader-epoch-cache.ts'
const acceptance = 'partition/controller-request-acceptance.ts'
const alter = 'controller/plan-alter-partition.ts'

export const mutations: readonly Mutation[] = [
  {
    name: 'truncates to the high watermark',
    ledger: 'KIP-101, KAFKA-1211',
    file: follower,
    search: "this.fetchOffset = log.nextOffset\n    this.phase = 'fetching'\n    if (log.leaderEpochs.isEmpty) {",
    replace: "this.fetchOffset = log.nextOffset\n    this.phase = 'fetching'\n    if (this.leaderEpoch >= 0) {",
  },
  {
    name: 'one question is taken for alignment',
    ledger: 'KIP-279, KAFKA-6361',
    file: follower,
    search: 'return this.cut(Math.min(own.endOffset, fetchOffset), false)',
    replace: 'return this.cut(Math.min(answer.endOffset, fetchOffset), true)',
  },
  {
    name: 'a diverging answer is not cut by',
    ledger: 'KIP-595, reliability 4.5',
    file: 'partition/fetch-position.ts',
    search: 'if (end.leaderEpoch < lastFetchedEpoch || end.endOffset < fetchOffset) return end',
    replace: '',
  },
  {
    name: 'a fetch of an older epoch is served',
    ledger: 'KIP-320, KAFKA-7395',
    file: 'partition/leader-epoch-check.ts',
    search: 'if (requestEpoch < localEpoch) return ErrorCode.FENCED_LEADER_EPOCH',
    replace: '',
  },
  {
    name: 'a fetch of a newer epoch is served',
    ledger: 'KIP-320, KAFKA-7395',
    file: 'partition/leader-epoch-check.ts',
    search: 'if (requestEpoch > localEpoch) return ErrorCode.UNKNOWN_LEADER_EPOCH',
    replace: '',
  },
  {
    name: 'joins before the start of the epoch',
    ledger: 'KAFKA-7128',
    file: leader,
    search: 'if (follower.logEndOffset < this.epochStartOffset) return',
    replace: '',
  },
  {
    name: 'joins below the high watermark',
    ledger: 'KIP-16',
    file: leader,
    search: 'if (follower.logEndOffset < this.highWatermark) return',
    replace: '',
  },
  {
    name: 'same leader in a newer epoch: ignored',
    ledger: 'KAFKA-7164',
    file: follower,
    search: 'asked.leaderEpoch === this.leaderEpoch &&\n      asked.fetchOffset',
    replace: 'asked.fetchOffset',
  },
  {
    name: 'the start of an epoch is not noted',
    ledger: 'KAFKA-7415',
    file: leader,
    search: 'this.effects.leaderEpochBegan(this.leaderEpoch, this.epochStartOffset)',
    replace: '',
  },
  {
    name: 'a cut leaves the epoch cache as it is',
    ledger: 'KAFKA-10706',
    file: epochs,
    search: 'const kept = this.#entries.filter(entry => entry.startOffset < endOffset)',
    replace: 'const kept = this.#entries.slice()',
  },
  {
    name: 'the newest epoch ends where it began',
    ledger: 'KIP-101',
    file: epochs,
    search: 'if (requested === latest) return { leaderEpoch: latest, endOffset: logEndOffset }',
    replace: 'if (requested === latest) return { leaderEpoch: latest, endOffset: this.latestStartOffset }',
  },
  {
    name: 'an epoch of the future ends at the end of the log',
    ledger: 'KIP-101',
    file: epochs,
    search:
      'if (requested < 0 || latest < 0 || requested > latest) return undefinedEndOffset\n    if (requested === latest)',
    replace: 'if (requested < 0 || latest < 0) return undefinedEndOffset\n    if (requested >= latest)',
  },
  {
    name: 'the high watermark counts the confirmed set only',
    ledger: 'KIP-497, KAFKA-8836, KAFKA-13091',
    file: leader,
    search: 'const { maximal } = this.isr\n',
    replace: 'const maximal = this.isr.committed\n',
  },
  {
    name: 'a shrink counts before it is confirmed',
    ledger: 'KIP-497',
    file: inSync,
    search: "return this.propose('pending-shrink', inSyncReplicas, this.members)",
    replace: "return this.propose('pending-shrink', inSyncReplicas, inSyncReplicas.map(each => each.brokerId))",
  },
  {
    name: 'a proposal without an answer is forgotten',
    ledger: 'reliability 4.5, seed 41',
    file: inSync,
    search: "if (answer === 'unknown') return this.onUncertain(pending, nowMs)",
    replace: "if (answer === 'unknown') {\n      this.pending = null\n      return 'reverted'\n    }",
  },
  {
    name: 'refused once, though an attempt is still out',
    ledger: 'KIP-497',
    file: inSync,
    search: "if (uncertainAtMs !== null && nowMs - uncertainAtMs < this.attemptLifetimeMs) return 'retry'",
    replace: '',
  },
  {
    name: 'an answer to a proposal that is over is taken',
    ledger: 'KAFKA-13091',
    file: inSync,
    search: "if (pending === null || pending.proposal !== proposal) return 'ignored'",
    replace: "if (pending === null) return 'ignored'",
  },
  {
    name: 'an older partition epoch is taken',
    ledger: 'KIP-497',
    file: inSync,
    search: "if (committed.partitionEpoch < this.epoch) return 'abandoned'",
    replace: '',
  },
  {
    name: 'read back: the same partition epoch ends a proposal',
    ledger: 'KIP-497',
    file: inSync,
    search: 'truth.partitionEpoch <= this.epoch',
    replace: 'truth.partitionEpoch < this.epoch',
  },
  {
    name: 'commits with fewer than min.insync.replicas',
    ledger: 'KAFKA-15583',
    file: leader,
    search: 'if (!this.hasEnoughInSyncReplicas) return\n',
    replace: '',
  },
  {
    name: 'a follower that never fetched has everything',
    ledger: 'KAFKA-9491',
    file: leader,
    search: 'if (follower.logEndOffset < low && (maximal',
    replace: 'if (follower.logEndOffset >= 0 && follower.logEndOffset < low && (maximal',
  },
  {
    name: 'the high watermark goes back',
    ledger: 'KAFKA-9491',
    file: leader,
    search: 'if (low <= this.highWatermark) return\n',
    replace: 'if (low === this.highWatermark || low < 0) return\n',
  },
  {
    name: 'admits acks=all below min.insync.replicas',
    ledger: 'KIP-497, reference 3.6',
    file: leader,
    search: 'return this.hasEnoughInSyncReplicas ? ErrorCode.NONE : ErrorCode.NOT_ENOUGH_REPLICAS\n',
    replace: 'return ErrorCode.NONE\n',
  },
  {
    name: 'a dead broker joins',
    ledger: 'KAFKA-14140, KIP-841',
    file: leader,
    search: 'if (!this.terms.isBrokerAlive(follower.brokerId)) return\n',
    replace: '',
  },
  {
    name: 'a former life of a broker is believed',
    ledger: 'KIP-903',
    file: progress,
    search: 'if (brokerEpoch >= 0 && brokerEpoch < this.brokerEpoch) return false',
    replace: '',
  },
  {
    name: 'the controller takes any life of a broker into the ISR',
    ledger: 'KIP-903',
    file: alter,
    search: 'return brokerEpoch === -1 || brokerEpoch === state.brokers.get(brokerId)?.epoch',
    replace: 'return brokerEpoch >= -1',
  },
  {
    name: 'the controller lets an old leader change the ISR',
    ledger: 'KAFKA-8836, KIP-497',
    file: alter,
    search: 'if (proposal.leaderEpoch < stored.leaderEpoch) return refusal(ErrorCode.FENCED_LEADER_EPOCH, partition)',
    replace: '',
  },
  {
    name: 'the controller writes the ISR unconditionally',
    ledger: 'reliability 4.5',
    file: alter,
    search: 'if (proposal.partitionEpoch < stored.partitionEpoch) return staleVersion(partition)',
    replace: '',
  },
  {
    name: 'an idle replica leaves the ISR',
    ledger: 'trap 47',
    file: progress,
    search: 'return this.logEndOffset !== leaderEnd && nowMs',
    replace: 'return nowMs',
  },
  {
    name: 'caught up only at the very end of the log',
    ledger: 'trap 48',
    file: progress,
    search: 'else if (fetchOffset >= this.leaderEndAtLastFetch) {',
    replace: 'else if (fetchOffset > leaderEnd) {',
  },
  {
    name: 'takes the high watermark of a diverging answer',
    ledger: 'KAFKA-14704',
    file: follower,
    search: 'if (answer.divergingEpoch.endOffset >= 0) {',
    replace: 'if (answer.divergingEpoch.endOffset > this.fetchOffset) {',
  },
  {
    name: 'the high watermark passes the end of the follower',
    ledger: 'KAFKA-14704',
    file: follower,
    search: 'Math.max(Math.min(answer.highWatermark, nextOffset), log.highWatermark)',
    replace: 'Math.max(answer.highWatermark, log.highWatermark)',
  },
  {
    name: 'an answer to an older question is used',
    ledger: 'KAFKA-13207, KAFKA-13141',
    file: follower,
    search: "if (this.phase !== 'fetching' || !isAsked) return 'skip'",
    replace: "if (this.phase !== 'fetching') return 'skip'",
  },
  {
    name: 'a question is known by its offset alone',
    ledger: 'found by this model, seed 4562',
    file: follower,
    search: 'asked.fetchOffset === this.fetchOffset &&\n      asked.lastFetchedEpoch === this.lastFetchedEpoch',
    replace: 'asked.fetchOffset === this.fetchOffset',
  },
  {
    name: 'out of range: begins anew wherever the leader begins',
    ledger: 'trap 52',
    file: follower,
    search: 'if (answer.offset < this.fetchOffset) this.cut(answer.offset, true)\n    else',
    replace: '',
  },
  {
    name: 'an order of an older leader epoch is followed',
    ledger: 'KIP-320, KAFKA-7235',
    file: acceptance,
    search: 'if (requestLeaderEpoch > currentLeaderEpoch) {',
    replace: 'if (requestLeaderEpoch !== currentLeaderEpoch) {',
  },
  {
    name: 'an order to a former life is followed',
    ledger: 'KAFKA-7235, KIP-380',
    file: acceptance,
    search:
      'if (requestBrokerEpoch !== NO_EPOCH && requestBrokerEpoch < brokerEpoch) return ErrorCode.STALE_BROKER_EPOCH',
    replace: '',
  },
  {
    name: 'a deposed controller is obeyed',
    ledger: 'KAFKA-6082',
    file: acceptance,
    search: 'if (requestControllerEpoch < highestControllerEpoch) return ErrorCode.STALE_CONTROLLER_EPOCH',
    replace: '',
  },
  {
    name: 'a late StopReplica deletes',
    ledger: 'KAFKA-9539, KIP-570',
    file: acceptance,
    search: 'return requestLeaderEpoch < options.currentLeaderEpoch ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.NONE',
    replace: 'return ErrorCode.NONE',
  },
  {
    name: 'a leader answers from the past',
    ledger: 'F5, issue 4',
    file: 'partition/leader-right.ts',
    search: "if (unconfirmedGapMs >= sessionTimeoutMs * confirmAfterShare) return 'confirm'",
    replace: '',
  },
  {
    name: 'a read sent before a pause confirms what comes after it',
    ledger: 'F5, issue 4',
    file: 'partition/event-loop-gap.ts',
    search: 'if (readSentMs >= this.endedMs) this.longestMs = 0',
    replace: 'this.longestMs = 0',
  },
  {
    name: 'cut off from ZooKeeper and from every follower, goes on',
    ledger: 'F11, issue 4',
    file: 'partition/leader-right.ts',
    search: "return nowMs - lastInSyncFetchMs < sessionTimeoutMs ? 'answer' : 'refuse'",
    replace: "return 'answer'",
  },
]
