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

/** Seconds of a warm-up. */
interface WarmUpTime {
  readonly least: number
  readonly most: number
}
const atLeisure: WarmUpTime = { least: 15, most: 60 }
const quickly: WarmUpTime = { least: 3, most: 3 }
/** Runs that bring nothing better end a warm-up. */
const staleRunsMax = 3
const isBetterBy = 1.03

/** Both kinds in turn, `runs` times, after both were warmed up by the same until neither gets better: compilers take their time. */
export async function inTurns<Result>(
  clusters: readonly ClusterUnderTest[],
  runs: number,
  measurement: Measurement<Result>,
  isQuick: boolean,
): Promise<Turns<Result>> {
  const results: Record<Name, Result[]> = { kafka: [], millrace: [] }
  const warmUp: Record<Name, number> = { kafka: 0, millrace: 0 }
  for (const cluster of clusters) warmUp[cluster.name] = await warm(cluster, measurement, isQuick ? quickly : atLeisure)
  const longest = Math.max(...Object.values(warmUp))
  for (const cluster of clusters) {
    // What compilers find to do does not end with the first time of no progress: as much time for both.
    const rest = longest - warmUp[cluster.name]
    if (!isQuick && rest > 0) warmUp[cluster.name] += await warm(cluster, measurement, { least: rest, most: rest })
    console.log(`${cluster.name}: warmed up for ${warmUp[cluster.name]} s`)
  }
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
  { least, most }: WarmUpTime,
): Promise<number> {
  const fromMs = performance.now()
  const seconds = (): number => Math.round((performance.now() - fromMs) / 1000)
  let best = 0
  let staleRuns = 0
  while (seconds() < least || (staleRuns < staleRunsMax && seconds() < most)) {
    const value = valueOf(await once(cluster))
    const speed = isRate ? value : 1 / value
    if (speed > best * isBetterBy) {
      best = speed
      staleRuns = 0
    } else staleRuns++
  }
  return seconds()
}
