import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '@millrace/client/connection/connection'
import { completed } from '@millrace/protocol/json'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { joinGroupRequest, joinGroupResponse } from '@millrace/protocol/messages/11-join-group'
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import { syncGroupRequest, syncGroupResponse } from '@millrace/protocol/messages/14-sync-group'
import { listGroupsRequest, listGroupsResponse } from '@millrace/protocol/messages/16-list-groups'
import { coordinatorPartition } from '@millrace/protocol/java-hash'
import { ask, open, type ClusterUnderTest } from './clusters-under-test.ts'

export interface CoordinatorLoad {
  /** As the broker's own log says. */
  readonly loadMs: number
  readonly heartbeats: number
  /** Between question and answer, while the other partition loads. */
  readonly heartbeatP99Ms: number
  readonly heartbeatMaxMs: number
  readonly refusedHeartbeats: number
}

/**
 * Stops the broker and starts it again. A member of a group in another partition than 0 sends heartbeats, 5 ms after each answer, from the
 * moment that the broker answers until partition 0, which holds the offsets, is loaded.
 */
export async function measureLoad(
  cluster: ClusterUnderTest,
  offsetsPartitions: number,
  groups: number,
): Promise<CoordinatorLoad> {
  const port = cluster.ports[0]!
  const groupId = nameIn(1, offsetsPartitions)
  const member = await joined(port, groupId)
  await cluster.stop(1)
  await cluster.start(1)
  const connection = await open(port)
  const waits: number[] = []
  let refusedHeartbeats = 0
  let isDone = false
  const beating = (async () => {
    while (!isDone) {
      const fromMs = performance.now()
      const { errorCode } = await connection.request(heartbeatRequest, heartbeatResponse, member)
      waits.push(performance.now() - fromMs)
      await sleep(5)
      // 16: nobody has told the broker yet that it leads.
      if (errorCode !== 0 && errorCode !== 16) refusedHeartbeats++
    }
  })()
  const { groups: listed } = await untilLoaded(port)
  isDone = true
  await beating
  await connection.close()
  if (listed.length < groups) throw new Error(`${cluster.name}: ${listed.length} of ${groups} groups were loaded`)
  waits.sort((a, b) => a - b)
  return {
    loadMs: loadMsOf(cluster),
    heartbeats: waits.length,
    heartbeatP99Ms: Number(waits[Math.floor(waits.length * 0.99)]!.toFixed(2)),
    heartbeatMaxMs: Number(waits.at(-1)!.toFixed(2)),
    refusedHeartbeats,
  }
}

/** A group that this partition of __consumer_offsets holds; another each time, because a member of before would be waited for. */
function nameIn(partition: number, partitions: number): string {
  for (let i = Date.now(); ; i++) if (coordinatorPartition(`other-${i}`, partitions) === partition) return `other-${i}`
}

async function joined(port: number, groupId: string) {
  const common = { groupId, sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 60_000, protocolType: 'consumer' }
  const protocols = [{ name: 'range', metadata: Buffer.from('000000000001000163ffffffff', 'hex') }]
  const connection: Connection = await open(port)
  try {
    let memberId = ''
    for (let attempt = 0; attempt < 100; attempt++) {
      const request = completed(joinGroupRequest, { ...common, protocols, memberId })
      const answer = await connection.request(joinGroupRequest, joinGroupResponse, request)
      memberId = answer.memberId
      if (answer.errorCode === 0) {
        const { generationId } = answer
        const member = { groupId, memberId, generationId, groupInstanceId: null }
        const named = { protocolType: 'consumer', protocolName: 'range' }
        const assignments = [{ memberId, assignment: Buffer.from('all') }]
        const part = completed(syncGroupRequest, { ...member, ...named, assignments })
        await connection.request(syncGroupRequest, syncGroupResponse, part)
        return member
      }
      await sleep(50)
    }
    throw new Error('nobody may join')
  } finally {
    await connection.close()
  }
}

async function untilLoaded(port: number) {
  const waiting = { groups: [{ groupId: 'fill-000000-0', memberId: null, memberEpoch: -1, topics: null }] }
  let wasLoading = false
  for (let attempt = 0; attempt < 3000; attempt++) {
    const listed = await ask(port, listGroupsRequest, listGroupsResponse, {})
    if (listed.errorCode === 14) wasLoading = true
    const { groups } = await ask(port, offsetFetchRequest, offsetFetchResponse, waiting)
    const isServed = groups[0]!.errorCode === 0 || groups[0]!.errorCode === 16
    if (listed.errorCode === 0 && isServed && (wasLoading || attempt > 100)) return listed
    await sleep(20)
  }
  throw new Error('the groups were not loaded within a minute')
}

/** The largest of what the log says of loads. */
function loadMsOf(cluster: ClusterUnderTest): number {
  const pattern =
    cluster.name === 'kafka'
      ? /Finished loading offsets and group metadata from __consumer_offsets-0 in (\d+) milliseconds/g
      : /"loadMs":(\d+)/g
  const found = [...cluster.output(1).matchAll(pattern)].map(([, ms]) => Number(ms))
  if (found.length === 0) throw new Error(`${cluster.name} says nothing of a load:\n${cluster.output(1).slice(-3000)}`)
  return Math.max(...found)
}
