import { describe, expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { Depositions, Fencing, fencedAtMost, PeerEvidence, refusalsNeeded, refusalsSpanMs } from './loss-hints.ts'

const known = { sinceMs: 0, needsConnection: true }
const newlyElected = { sinceMs: 0, needsConnection: false }

/** A connection that ended, and three connects refused over 300 ms. */
function lost(): PeerEvidence {
  const evidence = new PeerEvidence()
  evidence.onConnected()
  evidence.onConnectionEnded('ECONNRESET')
  for (const ms of [0, 150, 300]) evidence.onConnectFailed('ECONNREFUSED', ms)
  return evidence
}

describe('hint of a lost peer', () => {
  test.each(['ECONNREFUSED', 'EHOSTUNREACH', 'ENOTFOUND'])('FIN, then %s three times over 300 ms: a hint', code => {
    const evidence = new PeerEvidence()
    evidence.onConnected()
    evidence.onConnectionEnded(null)
    evidence.onConnectFailed(code, 1000)
    evidence.onConnectFailed(code, 1150)
    expect(evidence.isLossHinted(known)).toBe(false)
    evidence.onConnectFailed(code, 1299)
    expect(evidence.isLossHinted(known)).toBe(false)
    evidence.onConnectFailed(code, 1300)
    expect(evidence.isLossHinted(known)).toBe(true)
  })

  test.each(['TIMEOUT', 'ECONNRESET', 'ENETUNREACH', 'EMFILE', 'EAI_AGAIN', 'ABORTED'])(
    'a connect that fails with %s: no hint, and the row begins anew',
    code => {
      const evidence = lost()
      expect(evidence.onConnectFailed(code, 400)).toBe(false)
      expect(evidence.isLossHinted(known)).toBe(false)
      for (const ms of [500, 650]) evidence.onConnectFailed('ECONNREFUSED', ms)
      expect(evidence.isLossHinted(known)).toBe(false)
    },
  )

  test('a connection that timed out: no hint, however many connects are refused', () => {
    const evidence = new PeerEvidence()
    evidence.onConnected()
    evidence.onConnectionEnded('ETIMEDOUT')
    for (let ms = 0; ms < 10_000; ms += 100) evidence.onConnectFailed('ECONNREFUSED', ms)
    expect(evidence.isLossHinted(known)).toBe(false)
  })

  test('never connected: a hint for a newly elected controller only', () => {
    const evidence = new PeerEvidence()
    for (const ms of [0, 150, 300]) evidence.onConnectFailed('ECONNREFUSED', ms)
    expect(evidence.isLossHinted(known)).toBe(false)
    expect(evidence.isLossHinted(newlyElected)).toBe(true)
  })

  test('refusals of before: one of our own is needed', () => {
    const evidence = lost()
    expect(evidence.isLossHinted({ sinceMs: 301, needsConnection: false })).toBe(false)
    evidence.onConnectFailed('ECONNREFUSED', 302)
    expect(evidence.isLossHinted({ sinceMs: 301, needsConnection: false })).toBe(true)
  })

  test('connected again: nothing of before counts', () => {
    const evidence = lost()
    evidence.onConnected()
    expect(evidence.isLossHinted(known)).toBe(false)
    expect(evidence.refusals).toBe(0)
  })

  test('random histories: a hint only after an ended connection and an unbroken row (seeds 1 to 200)', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new SeededRandom(seed)
      const evidence = new PeerEvidence()
      let history: { readonly what: string; readonly ms: number }[] = []
      for (let step = 0, ms = 0; step < 200; step++) {
        ms += random.uint32() % 200
        const what = ['connected', 'fin', 'silence', 'refused', 'refused', 'refused', 'timeout'][random.uint32() % 7]!
        if (what === 'connected') evidence.onConnected()
        else if (what === 'fin') evidence.onConnectionEnded(null)
        else if (what === 'silence') evidence.onConnectionEnded('ETIMEDOUT')
        else evidence.onConnectFailed(what === 'refused' ? 'ECONNREFUSED' : 'TIMEOUT', ms)
        history = [...history, { what, ms }]
        const row = history.slice(history.findLastIndex(one => one.what !== 'refused') + 1)
        const spanMs = (row.at(-1)?.ms ?? 0) - (row[0]?.ms ?? 0)
        const end = history.findLast(({ what: one }) => ['connected', 'fin', 'silence'].includes(one))
        const expected = end?.what === 'fin' && row.length >= refusalsNeeded && spanMs >= refusalsSpanMs
        expect({ seed, step, hint: evidence.isLossHinted(known) }).toEqual({ seed, step, hint: expected })
      }
    }
  })
})

const sessionTimeoutMs = 18_000
const broker = (brokerId: number): { brokerId: number; brokerEpoch: number; sessionId: bigint } => ({
  brokerId,
  brokerEpoch: 10 + brokerId,
  sessionId: BigInt(brokerId),
})

describe('fencing', () => {
  test('never a majority, one where there are few', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 30].map(fencedAtMost)).toEqual([1, 1, 1, 1, 2, 2, 3, 14])
  })

  test('so many per session timeout, the next when one of them is that old', () => {
    const fencing = new Fencing({ sessionTimeoutMs, electedMs: 0 })
    fencing.onFenced(broker(1), 1000)
    expect(fencing.mayFence([1, 2, 3, 4, 5], 1000)).toBe(true)
    fencing.onFenced(broker(2), 2000)
    expect(fencing.mayFence([3, 4, 5], 2000)).toBe(false)
    expect(fencing.mayFence([1, 2, 3, 4, 5], 18_999)).toBe(false)
    expect(fencing.mayFence([1, 2, 3, 4, 5], 19_000)).toBe(true)
  })

  test('proven dead: counts no more', () => {
    const fencing = new Fencing({ sessionTimeoutMs, electedMs: 0 })
    fencing.onFenced(broker(1), 1000)
    expect(fencing.mayFence([2, 3], 2000)).toBe(false)
    fencing.onProvenDead(fencing.recent(2000)[0]!)
    expect(fencing.mayFence([2, 3], 2000)).toBe(true)
  })

  test('unclean election: a full session timeout after the election and after the last hint, proven or not', () => {
    const fencing = new Fencing({ sessionTimeoutMs, electedMs: 1000 })
    expect(fencing.uncleanElectionInMs(1000)).toBe(18_000)
    expect(fencing.uncleanElectionInMs(18_999)).toBe(1)
    expect(fencing.uncleanElectionInMs(19_000)).toBe(0)
    fencing.onFenced(broker(1), 20_000)
    fencing.onProvenDead(fencing.recent(20_000)[0]!)
    expect(fencing.uncleanElectionInMs(37_999)).toBe(1)
    expect(fencing.uncleanElectionInMs(38_000)).toBe(0)
  })
})

describe('depositions', () => {
  test('one incarnation once, then a pause of one session timeout, doubled each time', () => {
    const depositions = new Depositions(sessionTimeoutMs)
    depositions.onDeposed(broker(1), 0)
    expect(depositions.mayDepose(broker(1), 1_000_000)).toBe(false)
    expect(depositions.mayDepose(broker(2), 17_999)).toBe(false)
    expect(depositions.mayDepose(broker(2), 18_000)).toBe(true)
    depositions.onDeposed(broker(2), 18_000)
    expect(depositions.mayDepose(broker(3), 18_000 + 35_999)).toBe(false)
    expect(depositions.mayDepose(broker(3), 18_000 + 36_000)).toBe(true)
  })

  test('the deposed one proven dead: no pause, and the next one is short again; the same one is still left alone', () => {
    const depositions = new Depositions(sessionTimeoutMs)
    depositions.onDeposed(broker(1), 0)
    depositions.onProvenDead()
    expect(depositions.mayDepose(broker(1), 1)).toBe(false)
    expect(depositions.mayDepose({ ...broker(1), brokerEpoch: 99 }, 1)).toBe(true)
    depositions.onDeposed(broker(2), 1)
    expect(depositions.mayDepose(broker(3), 18_001)).toBe(true)
  })

  test('whatever it believes, one broker makes few elections: at most 5 in 5 minutes against ever new incarnations', () => {
    const depositions = new Depositions(sessionTimeoutMs)
    let count = 0
    for (let nowMs = 0; nowMs <= 300_000; nowMs += 100) {
      const suspect = broker(nowMs)
      if (!depositions.mayDepose(suspect, nowMs)) continue
      depositions.onDeposed(suspect, nowMs)
      count += 1
    }
    expect(count).toBe(5)
  })
})
