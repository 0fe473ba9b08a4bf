import { untilQuiet } from '../load-generator.ts'
import type { ClusterUnderTest, Name } from './clusters-under-test.ts'

/** One thing that is measured: its value, and whether more of it is better. */
export interface Measurement<Result> {
  readonly once: (cluster: ClusterUnderTest) => Promise<Result>
  readonly valueOf: (result: Result) => number
  readonly isRate: boolean
}

export interface Turns<Result> {
  readonly results: Record<Name, Result[]>
  /** Seconds that each was warmed up for. */
  readonly warmUp: Record<Name, number>
}

const leastSeconds = 15
const mostSeconds = 60
/** Runs that bring nothing better end a warm-up. */
const staleRunsMax = 3
const isBetterBy = 1.03

/** Both kinds in turn, `runs` times, after each was warmed up by the same until it gets no better: compilers take their time. */
export async function inTurns<Result>(
  clusters: readonly ClusterUnderTest[],
  runs: number,
  measurement: Measurement<Result>,
  isQuick: boolean,
): Promise<Turns<Result>> {
  const results: Record<Name, Result[]> = { kafka: [], millrace: [] }
  const warmUp: Record<Name, number> = { kafka: 0, millrace: 0 }
  for (const cluster of clusters) warmUp[cluster.name] = await warm(cluster, measurement, isQuick)
  for (let run = 0; run < runs; run++) {
    for (const cluster of clusters) {
      await untilQuiet(5)
      results[cluster.name].push(await measurement.once(cluster))
    }
  }
  return { results, warmUp }
}

async function warm<Result>(
  cluster: ClusterUnderTest,
  { once, valueOf, isRate }: Measurement<Result>,
  isQuick: boolean,
): Promise<number> {
  const fromMs = performance.now()
  const seconds = (): number => Math.round((performance.now() - fromMs) / 1000)
  const least = isQuick ? 3 : leastSeconds
  let best = 0
  let staleRuns = 0
  while (seconds() < least || (!isQuick && staleRuns < staleRunsMax && seconds() < mostSeconds)) {
    const value = valueOf(await once(cluster))
    const speed = isRate ? value : 1 / value
    if (speed > best * isBetterBy) {
      best = speed
      staleRuns = 0
    } else staleRuns++
  }
  console.log(`${cluster.name}: warmed up for ${seconds()} s`)
  return seconds()
}
