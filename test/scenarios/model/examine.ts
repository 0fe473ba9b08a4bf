import type { Machines } from './machines.ts'
import { Model } from './model.ts'
import { rules } from './rules.ts'
import { search, walk } from './search.ts'
import { searchBounds, walkBounds } from './setups.ts'

export interface Effort {
  /** Walks per setup. */
  readonly seeds: number
  /** Searched to this depth; 0: not at all. */
  readonly depth: number
  readonly maxStates: number
}

export interface Finding {
  readonly by: string
  readonly why: string
  readonly trail: readonly string[]
}

/** Null: every rule holds. */
export function byRules(machines: Machines): Finding | null {
  for (const [name, rule] of Object.entries(rules)) {
    try {
      rule(machines)
    } catch (error) {
      return { by: `rule: ${name}`, why: String(error).split('\n')[0]!, trail: [] }
    }
  }
  return null
}

export function byWalks(machines: Machines, seeds: number): Finding | null {
  for (const [name, bounds] of Object.entries(walkBounds)) {
    const model = new Model(machines, bounds)
    for (let seed = 1; seed <= seeds; seed++) {
      const violation = walk(model, { seed, steps: 30 + (seed % 90), withTime: bounds.lagTimeMaxMs > 0 })
      if (violation !== null) return { by: `${name}, seed ${seed}`, ...violation }
    }
  }
  return null
}

export function bySearch(machines: Machines, { depth, maxStates }: Effort): Finding | null {
  if (depth === 0) return null
  for (const [name, bounds] of Object.entries(searchBounds)) {
    const { violation } = search(new Model(machines, bounds), { depth, maxStates })
    if (violation !== null) return { by: `search: ${name}, ${violation.trail.length} steps`, ...violation }
  }
  return null
}
