import { blockTargets } from './block-targets.fuzz.ts'
import { Chance } from './chance.fuzz.ts'
import { messageTargets } from './message-targets.fuzz.ts'
import { recordTargets } from './record-targets.fuzz.ts'

/** One attempt that found something. `--seed SEED --runs 1` repeats it. */
export interface Find {
  readonly seed: number
  readonly target: string
  readonly error: unknown
}

/** Attempt n has seed `seed + n`. Goes on while `isWanted(n)`; ends with the first find. */
export async function fuzz(
  seed: number,
  isWanted: (attempts: number) => boolean,
): Promise<{ attempts: number; find: Find | null }> {
  const targets = [...(await messageTargets()), ...recordTargets, ...blockTargets]
  let attempts = 0
  for (; isWanted(attempts); attempts++) {
    const chance = new Chance(seed + attempts)
    // Messages are most of what a stranger can say.
    const target = chance.is(0.5) ? targets[0]! : chance.of(targets)
    try {
      target.attempt(chance)
    } catch (error) {
      return { attempts, find: { seed: seed + attempts, target: target.name, error } }
    }
  }
  return { attempts, find: null }
}
