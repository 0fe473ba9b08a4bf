import { describe, expect, test } from '@jest/globals'
import { planFolders, type ReplicaFolder } from './replica-folders.ts'

/** `/a t-0`, `/b t-0.1-future`… */
function folder(text: string): ReplicaFolder {
  const [, directory, topic, partition, uniqueHex, state] = /^(\S+) (\w+)-(\d+)(?:\.(\d+)-(\w+))?$/.exec(text)!
  return {
    ...{ directory: directory!, topic: topic!, partition: Number(partition), uniqueHex: uniqueHex ?? '' },
    state: (state ?? 'current') as ReplicaFolder['state'],
  }
}

const nameOf = ({ directory, topic, partition, uniqueHex, state }: ReplicaFolder): string =>
  `${directory} ${topic}-${partition}${state === 'current' ? '' : `.${uniqueHex}-${state}`}`

function planned(...found: string[]): Record<string, unknown> {
  const { duplicates, ...lists } = planFolders(found.map(folder))
  const named = Object.entries(lists).map(([name, list]) => [name, list.map(nameOf)] as const)
  const pairs = duplicates.map(pair => pair.map(nameOf))
  const all = [...named, ['duplicates', pairs] as const].filter(([, list]) => list.length > 0)
  return Object.fromEntries(all)
}

describe('folders at a start', () => {
  test.each([
    ['nothing moves', ['/a t-0', '/b t-1'], { current: ['/a t-0', '/b t-1'] }],
    ['a move goes on', ['/a t-0', '/b t-0.1-future'], { current: ['/a t-0'], future: ['/b t-0.1-future'] }],
    [
      'killed between the renames: the future log is the current one',
      ['/a t-0.1-delete', '/b t-0.1-future'],
      { promoted: ['/b t-0.1-future'], discarded: ['/a t-0.1-delete'] },
    ],
    [
      'the same digits of another partition',
      ['/a t-1.1-delete', '/b t-0.1-future'],
      { future: ['/b t-0.1-future'], discarded: ['/a t-1.1-delete'] },
    ],
    [
      'renamed back, because the target failed: the current one stays what it is',
      ['/a t-0', '/a t-0.1-delete', '/b t-0.1-future'],
      { current: ['/a t-0'], future: ['/b t-0.1-future'], discarded: ['/a t-0.1-delete'] },
    ],
    [
      'killed after the renames',
      ['/a t-0.1-delete', '/b t-0'],
      { current: ['/b t-0'], discarded: ['/a t-0.1-delete'] },
    ],
    [
      'the replica was deleted and its disk replaced: a future log alone is no current one',
      ['/a t-0.2-delete', '/b t-0.1-future'],
      { future: ['/b t-0.1-future'], discarded: ['/a t-0.2-delete'] },
    ],
    [
      'two future logs: one is enough',
      ['/a t-0', '/b t-0.1-future', '/c t-0.2-future'],
      { current: ['/a t-0'], future: ['/b t-0.1-future'], discarded: ['/c t-0.2-future'] },
    ],
    [
      'a future log beside its current one: moves nowhere',
      ['/a t-0.1-future', '/a t-0'],
      { current: ['/a t-0'], discarded: ['/a t-0.1-future'] },
    ],
    [
      'two current ones, as Kafka may leave them',
      ['/a t-0', '/b t-0'],
      { current: ['/a t-0'], duplicates: [['/a t-0', '/b t-0']] },
    ],
    ['stray ones are left alone', ['/a t-0.1-stray'], {}],
  ])('%s', (_, found, expected) => {
    expect(planned(...found)).toEqual(expected)
  })

  test('any folders (seeds 1 to 2000): each goes one way, a partition has one current log, and a promoted one had a partner', () => {
    for (let seed = 1; seed <= 2000; seed++) {
      let state = seed
      const pick = (count: number): number => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) % 65536) % count
      const found = new Set<string>()
      for (let count = pick(9); count >= 0; count--) {
        const ending = ['', `.${pick(3)}-delete`, `.${pick(3)}-future`, `.${pick(3)}-stray`][pick(4)]!
        found.add(`/${'abc'[pick(3)]} t-${pick(2)}${ending}`)
      }
      const folders = [...found].map(folder)
      const plan = planFolders(folders)
      const used = [
        ...plan.promoted,
        ...plan.current,
        ...plan.future,
        ...plan.discarded,
        ...plan.duplicates.map(pair => pair[1]),
      ]
      expect(new Set(used).size).toBe(used.length)
      expect(used.length).toBe(folders.filter(each => each.state !== 'stray').length)
      for (const list of [[...plan.promoted, ...plan.current], plan.future]) {
        const partitions = list.map(({ partition }) => partition)
        expect(new Set(partitions).size).toBe(partitions.length)
      }
      for (const { partition, uniqueHex } of plan.promoted) {
        const hasPartner = folders.some(
          each => each.state === 'delete' && each.partition === partition && each.uniqueHex === uniqueHex,
        )
        expect(hasPartner).toBe(true)
        expect(folders.some(each => each.state === 'current' && each.partition === partition)).toBe(false)
      }
      expect(plan.discarded.every(each => each.state !== 'current')).toBe(true)
    }
  })
})
