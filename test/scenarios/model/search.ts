import { assert } from '@millrace/runtime/invariant'
import { check, converge } from './invariants.ts'
import type { Action, Model } from './model.ts'
import { Fingerprints, Seen } from './fingerprint.ts'
import type { World } from './world.ts'

export interface SearchResult {
  /** Distinct worlds, counting those that differ only in the names of the replicas once. */
  readonly states: number
  readonly transitions: number
  /** Depth that was searched completely. */
  readonly depth: number
  /** Every reachable world was seen. */
  readonly isComplete: boolean
  readonly violation: Violation | null
}

export interface Violation {
  readonly why: string
  readonly trail: readonly string[]
}

/** Breadth first: the shortest story of a violation, and a proof that there is none up to that depth. */
export function search(
  model: Model,
  options: {
    readonly depth: number
    readonly maxStates: number
    readonly onDepth?: (depth: number, states: number) => void
  },
): SearchResult {
  const seen = new Seen()
  const fingerprints = new Fingerprints(model.bounds.replicas)
  const trails = new Trails()
  const first = model.initial()
  seen.add(fingerprints.of(first))
  // Of each world its number, by which its trail is known; only worlds of the present depth are kept whole.
  let frontier: { world: World; number: number }[] = [{ world: first, number: 0 }]
  let transitions = 0
  for (let depth = 1; depth <= options.depth; depth++) {
    const next: typeof frontier = []
    for (let place = 0; place < frontier.length; place++) {
      const { world: before, number } = frontier[place]!
      // Its memory goes back while the next depth grows.
      frontier[place] = gone
      const actions = model.actions(before)
      for (let choice = 0; choice < actions.length; choice++) {
        transitions++
        let world: World
        try {
          world = check(before, model.apply(before, actions[choice]!))
        } catch (error) {
          const trail = [...trails.of(model, number), describe(before, actions[choice]!)]
          const violation = { why: String(error), trail }
          return { states: seen.size, transitions, depth: depth - 1, isComplete: false, violation }
        }
        if (world === before || !seen.add(fingerprints.of(world))) continue
        if (seen.size >= options.maxStates) {
          return { states: seen.size, transitions, depth: depth - 1, isComplete: false, violation: null }
        }
        if (depth < options.depth) next.push({ world, number: trails.add(number, choice) })
      }
    }
    options.onDepth?.(depth, seen.size)
    if (next.length === 0 && depth < options.depth) {
      return { states: seen.size, transitions, depth, isComplete: true, violation: null }
    }
    frontier = next
  }
  return { states: seen.size, transitions, depth: options.depth, isComplete: false, violation: null }
}

const gone: { world: World; number: number } = { world: {} as World, number: -1 }

/** How each world was come to: the world before it, and which of its actions led here. Five bytes for each. */
class Trails {
  private parents = new Int32Array(1 << 16)
  private choices = new Uint8Array(1 << 16)
  private count = 1

  /** The number of the new world. The first one has 0. */
  add(parent: number, choice: number): number {
    assert(choice < 256, 'no world has so many actions')
    if (this.count === this.parents.length) {
      const { parents, choices } = this
      this.parents = new Int32Array(parents.length * 2)
      this.parents.set(parents)
      this.choices = new Uint8Array(choices.length * 2)
      this.choices.set(choices)
    }
    this.parents[this.count] = parent
    this.choices[this.count] = choice
    return this.count++
  }

  of(model: Model, number: number): string[] {
    const choices: number[] = []
    for (let each = number; each > 0; each = this.parents[each]!) choices.unshift(this.choices[each]!)
    let world = model.initial()
    return choices.map(choice => {
      const action = model.actions(world)[choice]!
      const line = describe(world, action)
      world = check(world, model.apply(world, action))
      return line
    })
  }
}

/** Random walks, each healed at its end: deeper than a search comes, and with the odds on what goes wrong in practice. */
export function walk(
  model: Model,
  options: { readonly seed: number; readonly steps: number; readonly withTime: boolean },
): Violation | null {
  let state = options.seed
  const below = (end: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * end)
  }
  let world = model.initial()
  const trail: string[] = []
  try {
    for (let step = 0; step < options.steps; step++) {
      const actions = model.actions(world)
      if (options.withTime) actions.push({ do: 'wait', ms: 1 + below(8) })
      // Epochs end a walk: they are used up slowly. Fetches make progress: they come often.
      const weights = actions.map(action => weightOf[action.do])
      let left = below(weights.reduce((sum, weight) => sum + weight, 0))
      const index = weights.findIndex(weight => (left -= weight) < 0)
      const action = actions[index]!
      trail.push(describe(world, action))
      world = check(world, model.apply(world, action))
    }
    trail.push('heal')
    converge(model, world)
  } catch (error) {
    return { why: String(error), trail }
  }
  return null
}

const weightOf: Readonly<Record<Action['do'], number>> = {
  write: 6,
  tick: 5,
  fetch: 12,
  ask: 3,
  'ask-and-hold': 3,
  restart: 4,
  succeed: 2,
  shun: 3,
  lose: 1,
  elect: 1,
  'fail-over': 2,
  hear: 4,
  deliver: 6,
  wait: 6,
}

function describe(world: World, action: Action): string {
  if (action.do === 'deliver') {
    const { kind } = world.network[action.message]!
    const message = world.network[action.message]!
    const who = 'from' in message ? `from ${message.from}` : `to ${message.to}`
    return `deliver ${kind} ${who}, ${action.then}`
  }
  if (action.do === 'succeed') return `controller ${world.controllerEpoch + 1} is elected`
  if (action.do === 'wait') return `wait ${action.ms} ms`
  return `${action.do} ${action.replica}${action.do === 'hear' ? ` (epoch ${action.epoch})` : ''}`
}
