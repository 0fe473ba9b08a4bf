import { Clients } from './clients.ts'
import type { GroupMachine, Sighting } from './coordinator.ts'

/**
 * One walk: members that come, go, die and come back, writes that fail or come late, coordinators that change; then everything heals.
 * Throws what is wrong. Answers what it came across.
 */
export function walk(machine: GroupMachine, seed: number, steps = 2500): ReadonlySet<Sighting> {
  const clients = new Clients(machine, seed)
  const { coordinator } = clients
  for (let step = 0; step < steps; step++) clients.step()
  clients.heal()
  coordinator.finish()
  coordinator.examineLog()
  return coordinator.seen
}
