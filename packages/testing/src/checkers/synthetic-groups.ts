import type { SeededRandom } from '../world/seeded-random.ts'
import type { AcknowledgedRecord, Calm, GroupEvent, GroupHistory } from './group-history.ts'

export interface SyntheticGroupOptions {
  readonly random: SeededRandom
  readonly group: string
  readonly isCooperative: boolean
  readonly steps: number
  readonly sessionTimeoutMs: number
}

const partitions = 6
const stepMs = 100

/**
 * The history of a group without faults in it, for testing the checker: members join, leave, are killed (their partitions stand still
 * for a session timeout); a static member starts again, in a time that is calm; each record is processed soon by who owns its partition.
 */
export function syntheticGroup(options: SyntheticGroupOptions): GroupHistory {
  const group = new SyntheticGroup(options)
  for (let step = 0; step < options.steps; step++) group.step(step)
  group.finish()
  return group
}

class SyntheticGroup implements GroupHistory {
  readonly events: GroupEvent[] = []
  readonly acknowledged: AcknowledgedRecord[] = []
  readonly calms: Calm[] = []
  readonly interruptions = []
  readonly #options: SyntheticGroupOptions
  readonly #owned = new Map<string, number[]>([['m0', []]])
  readonly #waiting: { readonly partition: number; readonly value: string; readonly offset: number }[] = []
  #nowMs = 1000
  #generation = 0
  #members = 1
  #static = 'static-0'
  /** When the session of a killed member ends; null: none was killed. */
  #expiryMs: number | null = null

  constructor(options: SyntheticGroupOptions) {
    this.#options = options
    this.#owned.set(this.#static, [])
    this.#rebalance()
  }

  step(step: number): void {
    const { random, sessionTimeoutMs } = this.#options
    this.#nowMs += stepMs
    const partition = random.below(partitions)
    const value = `raw:${step}`
    this.acknowledged.push({ partition, value, atMs: this.#nowMs })
    this.#waiting.push({ partition, value, offset: step })
    this.#process()
    if (this.#expiryMs !== null) {
      if (this.#nowMs < this.#expiryMs) return
      this.#expiryMs = null
      this.#rebalance()
    } else if (step % 20 === 19) {
      const dynamic = [...this.#owned.keys()].filter(member => member !== this.#static)
      const what = (['join', 'leave', 'kill', 'restart'] as const)[Math.floor(step / 20) % 4]!
      if (what === 'join' || (what !== 'restart' && dynamic.length < 2)) {
        this.#owned.set(`m${this.#members++}`, [])
        this.#rebalance()
      } else if (what === 'restart') this.#restart()
      else {
        const member = dynamic[random.below(dynamic.length)]!
        if (what === 'leave') {
          this.#revoke(member, this.#owned.get(member)!)
          this.#say({ type: 'left', member })
          this.#owned.delete(member)
          this.#rebalance()
        } else {
          this.#say({ type: 'killed', member })
          this.#owned.delete(member)
          this.#expiryMs = this.#nowMs + sessionTimeoutMs
        }
      }
    }
  }

  finish(): void {
    if (this.#expiryMs !== null) {
      this.#nowMs = Math.max(this.#nowMs, this.#expiryMs)
      this.#rebalance()
    }
    this.#nowMs += stepMs
    this.#process()
  }

  #process(): void {
    const ownerOf = new Map([...this.#owned].flatMap(([member, own]) => own.map(each => [each, member] as const)))
    for (const record of this.#waiting.splice(0)) {
      const member = ownerOf.get(record.partition)
      if (member === undefined) this.#waiting.push(record)
      else this.#say({ type: 'processed', member, ...record })
    }
  }

  #rebalance(): void {
    const members = [...this.#owned.keys()]
    const parts = new Map(
      members.map((member, index) => [
        member,
        Array.from({ length: partitions }, (_, each) => each).filter(each => each % members.length === index),
      ]),
    )
    const { isCooperative } = this.#options
    for (const [member, own] of this.#owned) {
      const kept = isCooperative ? own.filter(each => parts.get(member)!.includes(each)) : []
      this.#revoke(member, own.filter(each => !kept.includes(each))) // prettier-ignore
    }
    this.#nowMs += 20
    this.#generation++
    for (const [member, part] of parts) {
      const before = this.#owned.get(member)!
      const added = part.filter(each => !before.includes(each))
      this.#owned.set(member, part)
      this.#say({ type: 'assigned', member, generation: this.#generation, instance: this.#instance(member), partitions: added }) // prettier-ignore
    }
  }

  #restart(): void {
    const own = this.#owned.get(this.#static)!
    const former = this.#static
    const fromMs = this.#nowMs
    this.#nowMs += 20
    this.#revoke(former, own)
    this.#say({ type: 'left', member: former })
    this.#owned.delete(former)
    this.#static = `static-${Number(former.slice(7)) + 1}`
    this.#owned.set(this.#static, own)
    this.#nowMs += 20
    this.#say({ type: 'assigned', member: this.#static, generation: this.#generation, instance: 'i', partitions: own })
    this.calms.push({ group: this.#options.group, fromMs, toMs: this.#nowMs + 10, restarting: [former, this.#static] })
  }

  #revoke(member: string, gone: readonly number[]): void {
    if (gone.length === 0) return
    this.#say({ type: 'revoked', member, generation: this.#generation, instance: this.#instance(member), partitions: gone }) // prettier-ignore
    this.#owned.set(member, this.#owned.get(member)!.filter(each => !gone.includes(each))) // prettier-ignore
  }

  #instance(member: string): string | null {
    return member === this.#static ? 'i' : null
  }

  #say(event: DistributiveOmit<GroupEvent, 'atMs' | 'group'>): void {
    // Nothing happens at the same time as anything else.
    this.#nowMs += 0.01
    this.events.push({ ...event, atMs: this.#nowMs, group: this.#options.group } as GroupEvent)
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
