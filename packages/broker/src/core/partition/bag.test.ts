import { describe, expect, test } from '@jest/globals'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { Bag, noPlace, type BagMember } from './bag.ts'
import { ReadOrder, type Ordered } from './read-order.ts'

class Item implements BagMember, Ordered<Item> {
  place = noPlace
  before: Item | null = null
  after: Item | null = null
  readonly name: number
  constructor(name: number) {
    this.name = name
  }
}

const items = (count: number): Item[] => Array.from({ length: count }, (_, name) => new Item(name))

describe('bag', () => {
  test('without deletions: those that were added, once each, in order; then it is empty and takes them again', () => {
    const bag = new Bag<Item>()
    const [a, b, c] = items(3) as [Item, Item, Item]
    for (let round = 0; round < 3; round++) {
      for (const item of [b, a, b, c, a]) bag.add(item)
      expect(bag.takeAll()).toEqual([b, a, c])
      expect([bag.size, bag.has(a), bag.takeAll().length]).toEqual([0, false, 0])
    }
  })

  test('in another bag: refused', () => {
    const [item] = items(1) as [Item]
    new Bag<Item>().add(item)
    expect(() => new Bag<Item>().add(item)).toThrow('a member is in one bag')
    expect(() => new Bag<Item>().delete(item)).toThrow('a member is in one bag')
  })

  test('as a set does, whatever comes (seed 3)', () => {
    const random = new SeededRandom(3)
    const all = items(12)
    const bag = new Bag<Item>()
    const set = new Set<Item>()
    for (let step = 0; step < 5000; step++) {
      const item = all[random.below(all.length)]!
      const choice = random.below(20)
      if (choice < 11) {
        bag.add(item)
        set.add(item)
      } else if (choice < 19) {
        bag.delete(item)
        set.delete(item)
      } else {
        expect(new Set(bag.takeAll())).toEqual(set)
        set.clear()
      }
      expect([bag.size, all.filter(each => bag.has(each))]).toEqual([set.size, all.filter(each => set.has(each))])
    }
  })
})

describe('read order', () => {
  test('as a list does, whatever comes (seed 4)', () => {
    const random = new SeededRandom(4)
    const all = items(8)
    const order = new ReadOrder<Item>()
    let list: Item[] = []
    for (let step = 0; step < 5000; step++) {
      const item = all[random.below(all.length)]!
      const isIn = list.includes(item)
      if (!isIn) {
        order.add(item)
        list.push(item)
      } else if (random.below(2) === 0) {
        order.moveToEnd(item)
        list = [...list.filter(each => each !== item), item]
      } else {
        order.delete(item)
        list = list.filter(each => each !== item)
      }
      expect(order.list().map(({ name }) => name)).toEqual(list.map(({ name }) => name))
    }
  })
})
