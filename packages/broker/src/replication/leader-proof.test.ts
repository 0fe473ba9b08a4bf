import { expect, test } from '@jest/globals'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { LeaderProof, type OwnRegistration } from './leader-proof.ts'

const sessionTimeoutMs = 6000
/** Above two thirds of it. */
const longPauseMs = 4100

/** What ZooKeeper says, and how often it was asked. */
class Registration implements OwnRegistration {
  isReachable = true
  brokerEpoch = 7
  reads = 0
  answer: () => Promise<boolean> = () => Promise.resolve(true)

  confirm(): Promise<boolean> {
    this.reads++
    return this.answer()
  }
}

function proofOf(): { time: VirtualTime; registration: Registration; proof: LeaderProof } {
  const time = new VirtualTime()
  const registration = new Registration()
  const proof = new LeaderProof({ registration, sessionTimeoutMs, clock: time, timers: time })
  return { time, registration, proof }
}

test('leader proof: the loop turns: no doubt and no read', async () => {
  const { time, registration, proof } = proofOf()
  proof.start()
  await time.run(60_000)
  expect(proof.isInDoubt).toBe(false)
  expect(registration.reads).toBe(0)
  proof.close()
  expect(time.pending).toBe(0)
})

test('leader proof: a pause of two thirds of the session: doubt until the registration was read after it', async () => {
  const { time, registration, proof } = proofOf()
  await time.run(longPauseMs)
  expect(proof.isInDoubt).toBe(true)
  expect(await proof.confirmed()).toBe(true)
  expect(registration.reads).toBe(1)
  expect(proof.isInDoubt).toBe(false)
})

test('leader proof: the registration is gone: not confirmed, doubt stays', async () => {
  const { time, registration, proof } = proofOf()
  registration.answer = () => Promise.resolve(false)
  await time.run(longPauseMs)
  expect(proof.isInDoubt).toBe(true)
  expect(await proof.confirmed()).toBe(false)
  expect(proof.isInDoubt).toBe(true)
})

test('leader proof: registered anew while the read was out: what was answered before is not confirmed, what comes after is', async () => {
  const { time, registration, proof } = proofOf()
  await time.run(longPauseMs)
  let answer: (isOurs: boolean) => void = () => {}
  registration.answer = () => new Promise(resolve => (answer = resolve))
  expect(proof.isInDoubt).toBe(true)
  const before = proof.confirmed()
  registration.brokerEpoch = 8
  const after = proof.confirmed()
  answer(true)
  expect([await before, await after]).toEqual([false, true])
})

test('leader proof: another pause while the read was out: it is read again', async () => {
  const { time, registration, proof } = proofOf()
  await time.run(longPauseMs)
  expect(proof.isInDoubt).toBe(true)
  let answer: (isOurs: boolean) => void = () => {}
  registration.answer = () => new Promise(resolve => (answer = resolve))
  const confirmed = proof.confirmed()
  await time.run(longPauseMs)
  expect(proof.isInDoubt).toBe(true)
  registration.answer = () => Promise.resolve(true)
  answer(true)
  await time.run(100)
  expect(await confirmed).toBe(true)
  expect(registration.reads).toBe(2)
})

test('leader proof: ZooKeeper is silent: given up after a session timeout', async () => {
  const { time, registration, proof } = proofOf()
  registration.answer = () => Promise.reject(new Error('not connected'))
  await time.run(longPauseMs)
  expect(proof.isInDoubt).toBe(true)
  let outcome: boolean | null = null
  void proof.confirmed().then(value => (outcome = value))
  await time.run(sessionTimeoutMs - 200)
  expect(outcome).toBeNull()
  await time.run(400)
  expect(outcome).toBe(false)
})

test('leader proof: ZooKeeper unreachable: leads while a replica of the set fetches, or alone', async () => {
  const { time, registration, proof } = proofOf()
  registration.isReachable = false
  await time.run(10_000)
  const fetchedMs = time.monotonicMs()
  const followed = { isOnlyReplica: false, lastInSyncFetchMs: fetchedMs }
  expect(proof.mayLead(followed)).toBe(true)
  await time.run(sessionTimeoutMs - 1)
  expect(proof.mayLead(followed)).toBe(true)
  await time.run(1)
  expect(proof.mayLead(followed)).toBe(false)
  expect(proof.mayLead({ isOnlyReplica: true, lastInSyncFetchMs: -Infinity })).toBe(true)
  registration.isReachable = true
  expect(proof.mayLead(followed)).toBe(true)
})
