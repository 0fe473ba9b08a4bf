import { expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import { LeaderEpochCache } from '../log/leader-epoch-cache.ts'
import { fetchPosition } from './fetch-position.ts'
import { PartitionFollower, type FollowerLog } from './partition-follower.ts'

/** A log whose records are the leader epochs that wrote them. */
class EpochLog implements FollowerLog {
  records: number[] = []
  highWatermark = 0
  readonly logStartOffset = 0
  readonly leaderEpochs = new LeaderEpochCache()

  get logEndOffset(): number {
    return this.records.length
  }
  get nextOffset(): number {
    return this.records.length
  }

  append(epoch: number): void {
    this.leaderEpochs.assign(epoch, this.records.length)
    this.records.push(epoch)
  }

  truncateTo(endOffset: number): void {
    this.records.length = Math.min(endOffset, this.records.length)
    this.leaderEpochs.truncateFromEnd(endOffset)
  }
}

test.each([true, false])(
  'follower: histories that part anywhere: cut where they part, never below, then filled (told in fetches: %s; seeds 1-2000)',
  truncatesOnFetch => {
    for (let seed = 1; seed <= 2000; seed++) {
      const { common, own, answers } = follow(seed, truncatesOnFetch)
      expect({ seed, kept: own.lowest }).toEqual({ seed, kept: common })
      expect({ seed, records: own.log.records }).toEqual({ seed, records: own.leader.records })
      expect(answers).toBeLessThan(40)
    }
  },
)

/** Two logs with a common beginning; then each was led by others. The follower follows until it has everything. */
function follow(
  seed: number,
  truncatesOnFetch: boolean,
): { common: number; own: { log: EpochLog; leader: EpochLog; lowest: number }; answers: number } {
  let state = seed * 2654435761
  const below = (end: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * end)
  }
  const leader = new EpochLog()
  const log = new EpochLog()
  let epoch = 0
  for (let count = below(6); count > 0; count--) {
    epoch += below(2)
    leader.append(epoch)
    log.append(epoch)
  }
  const common = log.logEndOffset
  // One epoch has one leader: from here on no epoch is in both logs, except the last common one, which only one of them goes on with.
  const goesOn = below(3)
  if (goesOn === 1) leader.append(epoch)
  if (goesOn === 2) log.append(epoch)
  for (let count = below(10); count > 0; count--) {
    epoch += 1
    const writer = below(2) === 0 ? leader : log
    for (let records = 1 + below(3); records > 0; records--) writer.append(epoch)
  }
  const leaderEpoch = epoch + 1
  leader.leaderEpochs.assign(leaderEpoch, leader.logEndOffset)
  for (let count = below(3); count > 0; count--) leader.append(leaderEpoch)

  log.highWatermark = below(common + 1)
  const knowsEpochs = !log.leaderEpochs.isEmpty
  let lowest = log.logEndOffset
  const follower = new PartitionFollower({ brokerId: 2, leaderId: 1, leaderEpoch, truncatesOnFetch, backoffMs: 1 }, log)
  let answers = 0
  for (; answers < 40; answers++) {
    const step = follower.next(0)
    if (step.kind === 'truncate') {
      log.truncateTo(step.endOffset)
      follower.onTruncated()
      lowest = Math.min(lowest, log.logEndOffset)
    } else if (step.kind === 'ask-epoch-end') {
      const end = leader.leaderEpochs.endOffsetFor(step.epoch, leader.logEndOffset)
      follower.onEpochEnd(step, { errorCode: ErrorCode.NONE, ...end }, 0)
    } else {
      if (step.kind !== 'fetch') throw new Error(`seed ${seed}: ${step.kind}`)
      const { leaderEpochs, logEndOffset } = leader
      const position = fetchPosition({ ...step, leaderEpochs, logEndOffset, logStartOffset: 0 })
      if (position === 'out-of-range') throw new Error(`seed ${seed}: out of range`)
      const divergingEpoch = position === 'in-range' ? { leaderEpoch: -1, endOffset: -1 } : position
      const answer = { errorCode: ErrorCode.NONE, highWatermark: 0, logStartOffset: 0, divergingEpoch }
      if (follower.onFetchAnswer(step, answer, 0) === 'skip') continue
      const records = leader.records.slice(step.fetchOffset)
      if (records.length === 0) break
      for (const each of records) log.append(each)
      follower.onAppended(log.nextOffset, answer)
    }
  }
  return { common: knowsEpochs ? common : 0, own: { log, leader, lowest: Math.min(lowest, common) }, answers }
}
