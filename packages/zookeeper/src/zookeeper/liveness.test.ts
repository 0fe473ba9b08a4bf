import { describe, expect, test } from '@jest/globals'
import type { Timer } from '@millrace/runtime/ports'
import { Liveness } from './liveness.ts'

const timeoutMs = 6000

describe('liveness', () => {
  test('nothing heard: pings at 0.3, silent at 0.6, lease over at 1.0 of the timeout, each once', () => {
    const { world, advance, log, liveness } = start()
    liveness.connected(timeoutMs)
    advance(3599)
    expect(log).toEqual(['ping 1800'])
    advance(1)
    expect(log).toEqual(['ping 1800', 'silent 3600'])
    liveness.disconnected()
    advance(2399)
    expect(log).toHaveLength(2)
    advance(10_000)
    expect(log).toEqual(['ping 1800', 'silent 3600', 'over 6000'])
    expect(world.timerCount()).toBe(0)
  })

  test('pings answered: nothing else happens', () => {
    const { advance, log, liveness } = start({ answersPings: true })
    liveness.connected(timeoutMs)
    advance(60_000)
    expect(new Set(log.map(line => line.split(' ')[0]))).toEqual(new Set(['ping']))
    expect(log.length).toBeGreaterThanOrEqual(30)
  })

  test('much is heard and nothing sent: pings all the same', () => {
    const { advance, log, liveness } = start()
    liveness.connected(timeoutMs)
    for (let step = 0; step < 100; step++) {
      advance(100)
      liveness.heard()
    }
    expect(log).toEqual(['ping 1800', 'ping 3600', 'ping 5400', 'ping 7200', 'ping 9000'])
  })

  test('much is sent and nothing heard: silent at 0.6, no ping needed', () => {
    const { advance, log, liveness } = start()
    liveness.connected(timeoutMs)
    for (let step = 0; step < 40; step++) {
      advance(100)
      liveness.sent()
    }
    expect(log).toEqual(['silent 3600'])
  })

  test('another server confirms the session in time: the lease begins anew', () => {
    const { advance, log, liveness } = start()
    liveness.connected(timeoutMs)
    advance(3600)
    liveness.disconnected()
    advance(2000)
    liveness.connected(timeoutMs)
    advance(3599)
    expect(log).toEqual(['ping 1800', 'silent 3600', 'ping 7400'])
  })

  test('stopped: silence', () => {
    const { world, advance, log, liveness } = start()
    liveness.connected(timeoutMs)
    liveness.stop()
    advance(10_000)
    expect(log).toEqual([])
    expect(world.timerCount()).toBe(0)
  })

  test('the event loop stood still: what had arrived before does not prolong the lease, the answer to a new ping does', () => {
    const { advance, stall, log, liveness } = start()
    liveness.connected(timeoutMs)
    liveness.heard()
    stall(3000)
    // These bytes may have waited in the kernel all the time.
    liveness.heard()
    advance(600)
    expect(log).toEqual(['ping 3000', 'silent 3600'])
    liveness.connected(timeoutMs)
    advance(100)
    stall(3000)
    liveness.pingAnswered()
    advance(3000)
    expect(log.slice(2)).toEqual(['ping 6700', 'ping 8500'])
  })

  test('the event loop stood still for the timeout: over, whatever arrives', () => {
    const { advance, stall, log, liveness } = start()
    liveness.connected(timeoutMs)
    stall(timeoutMs)
    expect(liveness.isOver).toBe(true)
    advance(1)
    expect(log.at(-1)).toMatch(/^over/)
  })
})

interface Started {
  readonly world: ManualWorld
  readonly liveness: Liveness
  /** What was asked for, with the time. */
  readonly log: string[]
  readonly advance: (ms: number) => void
  readonly stall: (ms: number) => void
}

function start({ answersPings = false } = {}): Started {
  const world = new ManualWorld()
  const log: string[] = []
  const note = (what: string) => (): void => void log.push(`${what} ${world.nowMs}`)
  const liveness: Liveness = new Liveness({
    world,
    timeoutMs,
    ping: () => {
      note('ping')()
      liveness.sent()
      if (answersPings) world.timers.after(1, () => liveness.pingAnswered())
    },
    onSilent: note('silent'),
    onLeaseOver: note('over'),
  })
  return { world, liveness, log, advance: ms => world.advance(ms), stall: ms => world.stall(ms) }
}

/** Time that moves when told to. */
class ManualWorld {
  nowMs = 0
  readonly #due: { atMs: number; run: () => void }[] = []
  readonly clock = { wallMs: (): number => this.nowMs, monotonicMs: (): number => this.nowMs }
  readonly timers = {
    after: (delayMs: number, run: () => void): Timer => {
      const entry = { atMs: this.nowMs + delayMs, run }
      this.#due.push(entry)
      return { cancel: () => void (this.#due.includes(entry) && this.#due.splice(this.#due.indexOf(entry), 1)) }
    },
    every: (): Timer => {
      throw new Error('liveness arms one timer at a time')
    },
    soon: (run: () => void): void => run(),
  }

  timerCount(): number {
    return this.#due.length
  }

  advance(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const next = this.#due.toSorted((left, right) => left.atMs - right.atMs)[0]
      if (next === undefined || next.atMs > endMs) break
      this.#due.splice(this.#due.indexOf(next), 1)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.run()
    }
    this.nowMs = endMs
  }

  /** The clock moves and no timer runs until the end. */
  stall(ms: number): void {
    this.nowMs += ms
    this.advance(0)
  }
}
