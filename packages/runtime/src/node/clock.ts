import type { Clock } from '../ports.ts'

/** The clock of `performance.now`, which would load node:perf_hooks (1 ms, 1 MB) at the first call; as fast (45 ns). */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

const { hrtime } = process

export const nodeClock: Clock = { wallMs: () => Date.now(), monotonicMs }
