import type { LoadGenerator, LoadResult } from './load-generator.ts'
import { replicatedLoads, runLoad, type ReplicatedLoad } from './replicated-loads.ts'
import type { ThreeBrokers } from './three-brokers.ts'

/** A round that is not faster by more than this is no faster. */
const growth = 1.03

/**
 * Runs all loads, round after round, until neither of the last two rounds brought more single records per second than any before it, or
 * `secondsMax` are over: three JVMs on two cores take a minute or two until their compilers are done. Answers the rate of each round.
 */
export async function warmUp(
  brokers: ThreeBrokers,
  generator: LoadGenerator,
  { work, secondsMax }: { readonly work: string; readonly secondsMax: number },
): Promise<number[]> {
  const deciding = replicatedLoads(5).find(({ name }) => name.includes('64 connections'))!
  const others = replicatedLoads(1.5).filter(({ name }) => name !== deciding.name)
  const run = async (load: ReplicatedLoad): Promise<LoadResult | null> => {
    try {
      // Nothing is measured that the speed of new memory would matter for.
      return await runLoad({ ...load, megabytes: 0 }, generator, brokers, { work, quietSeconds: 1 })
    } catch (error) {
      // Brokers that have just started refuse what reaches them before the controller's word on a new topic.
      console.log(`  ${load.name}: ${String(error).split('\n', 1)[0]}`)
      return null
    }
  }
  const rates: number[] = []
  let best = 0
  let since = 0
  for (const endMs = Date.now() + secondsMax * 1000; Date.now() < endMs && since < 2;) {
    for (const load of others) await run(load)
    const rate = (await run(deciding))?.messagesPerSecond
    if (rate === undefined) continue
    rates.push(Math.round(rate))
    console.log(`  ${(rate / 1000).toFixed(1)} k/s`)
    since = rate > best * growth ? 0 : since + 1
    best = Math.max(best, rate)
  }
  return rates
}
