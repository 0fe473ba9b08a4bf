import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkGroups, longestDelays } from '@millrace/testing/checkers/check-groups'
import { describeWith } from '../oracles/describe-with.ts'
import { ForeignGroups } from './foreign-groups/foreign-groups.ts'
import { groupKinds, sessionTimeoutMs } from './foreign-groups/group-kinds.ts'

/** `npm run scenarios -- test/interop/foreign-groups`: the same story again and again. */
const rounds = process.env['MILLRACE_SCENARIOS'] === 'long' ? 8 : 1
jest.setTimeout(rounds * 180_000)

/**
 * Beyond the session timeout and what it took until there was another coordinator: the heartbeat after which the others know (0.5 s),
 * their joins, a fetch from the committed offset, and a machine that does other things. On two busy cores the longest delay was 9.2 s.
 */
const allowanceMs = 6_000
/** kafkajs gives up a coordinator that is gone after a second or two, each member at its own time, and joins as somebody new: 11.2 s. */
const kafkajsAllowanceMs = 9_000

const dynamicKinds = groupKinds.filter(({ isStatic }) => !isStatic)
const staticKinds = groupKinds.filter(({ isStatic }) => isStatic)
/** Without kafkajs, which does not look for another coordinator. */
const calmKinds = groupKinds.filter(({ client }) => client === 'java' || client === 'librdkafka')

describeWith(['kafka', 'confluent'], 'groups of foreign clients', () => {
  let groups: ForeignGroups
  beforeAll(async () => {
    groups = await ForeignGroups.start()
  })
  afterAll(() => groups?.close())

  test('members come, leave, start again, are killed; coordinators are killed: every group goes on', async () => {
    for (const kind of groupKinds) {
      for (const place of ['a', 'b']) groups.start(kind, place, 'stays')
    }
    for (let round = 0; round < rounds; round++) {
      if (round > 0) await groups.again()
      for (const kind of groupKinds) groups.start(kind, 'c', 'dies')
      for (const kind of staticKinds) groups.start(kind, 'd', 'dies')
      await groups.settled()

      await Promise.all(dynamicKinds.map(kind => groups.leave(kind, 'b')))
      // One of them is the leader of its group.
      for (const place of ['a', 'b']) await Promise.all(staticKinds.map(kind => groups.restart(kind, place)))
      await groups.settled()
      for (const kind of dynamicKinds) groups.start(kind, 'b', 'stays')
      await groups.settled()

      await groups.killMembers('c')
      await groups.settled()
      await groups.caughtUp()

      const first = await groups.killCoordinator()
      await groups.caughtUp()
      await first.restart()
      await groups.caughtUp()
      // librdkafka gives its partitions up by itself when nobody answered its heartbeats for a session timeout.
      if (first.tookMs < sessionTimeoutMs / 2) groups.noteCalm(calmKinds, first.atMs)
      else groups.noteInterruption(first.atMs)

      for (const kind of groupKinds) groups.start(kind, 'e', 'stays')
      const second = await groups.killCoordinator()
      await groups.settled()
      groups.noteInterruption(second.atMs)
      await second.restart()
      await groups.caughtUp()
    }
    await groups.finish()
    expect(groups.failures).toEqual([])
  })

  test('every record was processed, in time, by who owned its partition; nobody rebalanced without need', () => {
    const { history } = groups
    const calmGroups = new Set(calmKinds.map(({ group }) => group))
    const [calm, others] = [true, false].map(isCalm => {
      const events = history.events.filter(({ group }) => calmGroups.has(group) === isCalm)
      const ownMs = isCalm ? allowanceMs : kafkajsAllowanceMs
      return checkGroups({ ...history, events }, { sessionTimeoutMs, allowanceMs: ownMs + groups.slowestFailoverMs })
    })
    const violations = { calm: calm!.violations, others: others!.violations }
    const delays = longestDelays(history)
    if (rounds > 1) console.log(groups.notes, Object.fromEntries(delays))
    expect(new Set(delays.keys())).toEqual(new Set(groupKinds.map(({ group }) => group)))
    if (Object.values(violations).some(each => Object.keys(each).length > 0)) {
      const file = join(tmpdir(), `millrace-foreign-groups-${process.pid}.json`)
      writeFileSync(file, JSON.stringify(groups.report()))
      console.error(`what happened: ${file}`)
    }
    expect(violations).toEqual({ calm: {}, others: {} })
  })
})
