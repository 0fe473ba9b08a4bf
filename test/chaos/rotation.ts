import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { between, NoVictim, sleep, type Stage } from './fault.ts'
import { faults } from './faults/table.ts'

export const rotationMs = 30_000
/** A fault begins in this part of its rotation. */
const beginsWithinMs = 15_000
const calmInHundred = 25

/** When which fault was under way: for the summary. */
export interface FaultSpan {
  readonly kind: string
  readonly startMs: number
  endMs: number
}

export interface RotationPlan {
  readonly isCalm: boolean
  readonly faults: readonly { readonly kind: string; readonly afterMs: number; readonly seed: number }[]
}

/** Calm, or one to three faults at once. The same seed plans the same. */
export function planRotation(random: SeededRandom, kinds: readonly string[]): RotationPlan {
  if (random.below(100) < calmInHundred) return { isCalm: true, faults: [] }
  const count = 1 + [0, 0, 0, 1, 1, 2][random.below(6)]!
  return {
    isCalm: false,
    faults: Array.from({ length: count }, () => ({
      kind: draw(random, kinds),
      afterMs: between(random, 0, beginsWithinMs),
      seed: random.uint32(),
    })),
  }
}

/** Resolves when the rotation is over and every fault of it is healed. */
export async function runRotation(
  stage: Stage,
  plan: RotationPlan,
  onFault: (kind: string, outcome: 'begun' | 'skipped') => FaultSpan | null,
): Promise<void> {
  const over = sleep(stage, rotationMs)
  await Promise.all(
    plan.faults.map(async ({ kind, afterMs, seed }) => {
      await sleep(stage, afterMs)
      const span = onFault(kind, 'begun')
      try {
        await faults[kind]!.run(stage, new SeededRandom(seed))
      } catch (error) {
        if (error instanceof NoVictim) onFault(kind, 'skipped')
        else stage.fail(`${kind}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      }
      if (span !== null) span.endMs = stage.world.clock.monotonicMs()
    }),
  )
  await over
}

function draw(random: SeededRandom, kinds: readonly string[]): string {
  const total = kinds.reduce((sum, kind) => sum + faults[kind]!.weight, 0)
  let left = random.below(total)
  for (const kind of kinds) {
    left -= faults[kind]!.weight
    if (left < 0) return kind
  }
  throw new RangeError('no fault to choose from')
}
