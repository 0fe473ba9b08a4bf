/**
 * Nanoseconds per call of `work`: the median of nine samples of about `sampleMs` each, after as much warming up.
 * On a shared machine compare only what was measured in the same run, as ratios.
 */
export function nanosecondsPerCall(work: () => void, sampleMs = 20): number {
  let calls = 1
  for (;;) {
    const before = process.hrtime.bigint()
    for (let i = 0; i < calls; i++) work()
    const elapsedMs = Number(process.hrtime.bigint() - before) / 1e6
    if (elapsedMs >= sampleMs / 2) {
      calls = Math.max(1, Math.round((calls * sampleMs) / elapsedMs))
      break
    }
    calls *= 4
  }
  const samples: number[] = []
  for (let sample = 0; sample < 9; sample++) {
    const before = process.hrtime.bigint()
    for (let i = 0; i < calls; i++) work()
    samples.push(Number(process.hrtime.bigint() - before) / calls)
  }
  return samples.sort((a, b) => a - b)[4]!
}
