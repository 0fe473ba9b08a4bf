import { ErrorCode } from '@millrace/protocol/errors'
import { assert } from '@millrace/runtime/invariant'
import type { IsrAnswer, IsrProposal } from '@millrace/broker/core/partition/in-sync-set'
import type { Machines } from './machines.ts'
import type { World, Znode } from './world.ts'

const topic = { name: 't', topicId: 'topic-id-of-the-model-' }

/** Runs the shipped plan for AlterPartition on what the znode says, as the controller in office; every broker is registered, with its present epoch. */
export function answerAlterPartition(
  machines: Machines,
  world: World,
  from: number,
  proposal: IsrProposal,
  attempt: { readonly controllerEpoch: number; readonly number: number },
): { answer: IsrAnswer; znode: Znode | null } {
  const ids = world.replicas.map((_, id) => id)
  const state = new machines.ControllerState({
    brokerId: 99,
    controllerEpoch: world.controllerEpoch,
    interBrokerListener: 'PLAINTEXT',
    deleteTopics: true,
  })
  for (const id of ids) state.addBroker({ id, epoch: world.replicas[id]!.brokerEpoch, rack: null, endpoints: [] })
  const { brokerEpoch } = world.replicas[from]!
  state.isOvertaken(from, brokerEpoch, world.newestAttempts[from]!)
  if (world.shunned >= 0) state.shuttingDown.add(world.shunned)
  const leadership = { ...world.znode, leaderRecoveryState: 0 as const, controllerEpoch: world.controllerEpoch }
  state.addTopic({
    ...topic,
    partitions: new Map([[0, { replicas: ids, addingReplicas: [], removingReplicas: [] }]]),
    leadership: new Map([[0, leadership]]),
  })
  const plan = machines.planAlterPartition(state, {
    brokerId: from,
    brokerEpoch,
    controllerEpoch: attempt.controllerEpoch,
    attempt: attempt.number,
    proposals: [{ topic: { id: topic.topicId }, partition: 0, leaderRecoveryState: 0, ...proposal }],
  })
  let znode: Znode | null = null
  let step = plan.next()
  while (step.done !== true) {
    switch (step.value.step) {
      case 'write': {
        const outcomes = step.value.writes.map(write => {
          assert(write.write === 'update-state', 'AlterPartition writes partition states')
          if (write.expectedEpoch !== (znode ?? world.znode).partitionEpoch) return 'conflict'
          const { leader, leaderEpoch, inSyncReplicas, partitionEpoch } = write.leadership
          znode = { leader, leaderEpoch, inSyncReplicas, partitionEpoch }
          return 'done'
        })
        step = plan.next({ step: 'write', outcomes })
        break
      }
      case 'read-leadership':
        step = plan.next({ step: 'read-leadership', leadership: [leadership] })
        break
      case 'read-unclean-topics':
        step = plan.next({ step: 'read-unclean-topics', topics: new Set() })
        break
      default:
        step = plan.next({ step: step.value.step })
    }
  }
  const { errorCode, proposals } = step.value
  if (errorCode !== ErrorCode.NONE) return { answer: { errorCode: errorCode as ErrorCode }, znode }
  const answer = proposals[0]!
  if (answer.leadership === null) return { answer: { errorCode: answer.errorCode as ErrorCode }, znode }
  const { leaderEpoch, partitionEpoch, inSyncReplicas } = answer.leadership
  return { answer: { leaderEpoch, partitionEpoch, inSyncReplicas }, znode }
}
