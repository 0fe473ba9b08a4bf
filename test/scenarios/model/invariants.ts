import { assert } from '@millrace/runtime/invariant'
import { attemptLifetimeMs, type Model } from './model.ts'
import type { Rec, World } from './world.ts'

/**
 * What must hold in every world, whatever happened. `before` is the world one action earlier. Answers the world with what
 * was newly exposed. Throws InvariantViolation.
 */
export function check(before: World, after: World): World {
  const { znode } = after
  assert(znode.inSyncReplicas.length > 0, 'an ISR is never empty')
  assert(znode.leader < 0 || znode.inSyncReplicas.includes(znode.leader), 'the leader is in the ISR')
  let exposed: Rec[] | null = null
  after.replicas.forEach((replica, id) => {
    if (replica === before.replicas[id]) return
    const { log, leader } = replica
    assert(log.highWatermark <= log.logEndOffset, 'highWatermark ≤ logEndOffset')
    let lastEpoch = 0
    for (const [offset, rec] of log.records.entries()) {
      assert(rec >> 3 >= lastEpoch, 'leader epochs do not go back along the log')
      lastEpoch = rec >> 3
      assert(log.leaderEpochs.epochOf(offset) === lastEpoch, 'the epoch cache says which epoch wrote a record')
    }
    assert(log.leaderEpochs.latestStartOffset <= log.logEndOffset, 'no epoch begins after the end of the log')
    if (leader !== null) {
      const last = before.replicas[id]!
      assert(leader.highWatermark === log.highWatermark, 'the leader and its log agree on the high watermark')
      assert(leader.logEndOffset === log.logEndOffset, 'the leader and its log agree on the end')
      if (last.leader !== null && last.leaderEpoch === replica.leaderEpoch) {
        assert(leader.highWatermark >= last.leader.highWatermark, 'a high watermark does not go back in a leader epoch')
        assert(leader.partitionEpoch >= last.leader.partitionEpoch, 'partition epochs do not go back')
      }
      assert(
        leader.inSyncReplicas.every(each => leader.maximalInSyncReplicas.includes(each)),
        'the maximal set holds every confirmed member',
      )
      assert(leader.maximalInSyncReplicas.includes(id), 'the leader is in sync with itself')
    }
    for (let offset = 0; offset < log.highWatermark; offset++) {
      const known = (exposed ?? after.exposed)[offset]
      const rec = log.records[offset]!
      if (known === undefined) (exposed ??= [...after.exposed])[offset] = rec
      else assert(known === rec, 'what was seen below a high watermark never changes')
    }
  })
  const world = exposed === null ? after : { ...after, exposed }
  // StrongIsr: whoever may be elected has everything that was ever exposed, and so everything that was acknowledged.
  for (const id of znode.inSyncReplicas) {
    const { records } = world.replicas[id]!.log
    world.exposed.forEach((rec, offset) =>
      assert(records[offset] === rec, 'every member of the ISR has every record that was committed'),
    )
  }
  // While a leader is the true one, the controller's set is one that it counts on.
  const leader = znode.leader < 0 ? null : world.replicas[znode.leader]!.leader
  if (leader !== null && leader.leaderEpoch === znode.leaderEpoch) {
    assert(
      znode.inSyncReplicas.every(id => leader.maximalInSyncReplicas.includes(id)),
      "the leader's maximal set holds the ISR of the controller",
    )
  }
  return world
}

/**
 * Heals the world: every order and message arrives, everybody fetches. Afterwards all logs are equal, all replicas in sync
 * and everything committed, or something got stuck.
 */
export function converge(model: Model, start: World): World {
  const { bounds } = model
  let world = start
  const step = (action: Parameters<Model['apply']>[1]): void => {
    world = check(world, model.apply(world, action))
  }
  const drain = (): void => {
    for (let turn = 0; turn < 50 && world.network.length > 0; turn++)
      step({ do: 'deliver', message: 0, then: 'answered' })
    assert(world.network.length === 0, 'messages end')
  }
  step({ do: 'wait', ms: attemptLifetimeMs })
  if (world.shunned >= 0) step({ do: 'shun', replica: world.shunned })
  drain()
  if (world.znode.leader < 0) step({ do: 'elect', replica: world.znode.inSyncReplicas[0]! })
  for (let round = 0; round < 12; round++) {
    world.replicas.forEach((_, replica) => step({ do: 'hear', replica, epoch: world.orders.length - 1 }))
    world.replicas.forEach(({ follower }, replica) => {
      if (follower !== null) step({ do: 'fetch', replica })
    })
    drain()
    step({ do: 'wait', ms: 1 })
  }
  const { znode, replicas } = world
  assert(znode.inSyncReplicas.length === bounds.replicas, 'once all is well, everybody is in sync')
  const { records } = replicas[znode.leader]!.log
  for (const { log } of replicas) {
    assert(String(log.records) === String(records), 'once all is well, all logs are equal')
    assert(log.highWatermark === records.length, 'once all is well, everything is committed')
  }
  return world
}
