import { expect, test } from '@jest/globals'
import { topicSettings } from '@millrace/testing/world/topic-settings'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import type { ThrottledReplicas } from '../settings/topic-settings.ts'
import type { Partition } from './partition.ts'
import { ReplicationThrottle } from './replication-throttle.ts'

const partition = (number: number, leaderThrottledReplicas: ThrottledReplicas): Partition =>
  ({ partition: number, log: { settings: topicSettings({ leaderThrottledReplicas }) } }) as unknown as Partition

/** leader.replication.throttled.rate 100, replication.quota.window.num 11, replication.quota.window.size.seconds 1. */
function throttleOf(time: VirtualTime): ReplicationThrottle {
  return new ReplicationThrottle({
    brokerId: 1,
    clock: time,
    limit: () => 100,
    listed: settings => settings.leaderThrottledReplicas,
    windowMs: 1000,
    windowCount: 11,
  })
}

test('throttle: listed replicas above the rate wait until it has sunk; others never', async () => {
  const time = new VirtualTime()
  const throttle = throttleOf(time)
  const listed = partition(0, [{ partition: 0, brokerId: 1 }])
  const all = partition(7, 'all')
  const others = [
    partition(1, [{ partition: 0, brokerId: 1 }]),
    partition(0, [{ partition: 0, brokerId: 2 }]),
    partition(0, []),
  ]
  throttle.note(listed, 600)
  throttle.note(all, 400)
  expect([listed, all].map(each => throttle.holds(each))).toEqual([false, false])
  throttle.note(listed, 1)
  expect([listed, all].map(each => throttle.holds(each))).toEqual([true, true])
  expect(others.map(each => throttle.holds(each))).toEqual([false, false, false])
  await time.run(10_500)
  expect(throttle.holds(listed)).toBe(false)
})

test('throttle: traffic of replicas that are not listed: not counted', () => {
  const throttle = throttleOf(new VirtualTime())
  throttle.note(partition(0, []), 1_000_000)
  expect(throttle.holds(partition(0, 'all'))).toBe(false)
})
