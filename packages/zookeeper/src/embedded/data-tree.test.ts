import { describe, expect, test } from '@jest/globals'
import { CreateMode } from '../coordination.ts'
import type { Operation } from '../coordination.ts'
import { DataTree } from './data-tree.ts'
import type { Caller, Request, Transaction } from './data-tree.ts'
import { decodeRecords, encodeRecord } from './record-file.ts'
import { decodeSnapshot, decodeTransaction, encodeSnapshot, encodeTransaction } from './snapshot.ts'

const caller: Caller = { sessionId: 7n, identities: [] }

describe('data tree', () => {
  test('random requests: a refused one leaves no trace, the log replays to the same tree, a snapshot holds it', () => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    const random = generator(seed)
    const tree = new DataTree()
    const log: Transaction[] = []
    let refusedCount = 0
    for (let step = 0; step < 3000; step++) {
      const before = random(20) === 0 ? encodeSnapshot(tree) : null
      const requests = Array.from({ length: 1 + random(4) }, () => randomRequest(random))
      const owner = BigInt(1 + random(3))
      const outcome =
        random(50) === 0 ? tree.endSession(owner, step) : tree.submit(requests, { ...caller, sessionId: owner }, step)
      if (outcome.error === null) {
        if (outcome.transaction !== null) log.push(outcome.transaction)
      } else {
        refusedCount += 1
        if (before !== null)
          expect({ seed, isSame: encodeSnapshot(tree).equals(before) }).toEqual({ seed, isSame: true })
      }
    }
    expect(refusedCount).toBeGreaterThan(100)
    expect(log.length).toBeGreaterThan(100)

    const replayed = new DataTree()
    for (const transaction of log)
      replayed.replay(decodeTransaction(JSON.parse(JSON.stringify(encodeTransaction(transaction)))))
    replayed.advance(tree.lastZxid)
    expect({ seed, isSame: encodeSnapshot(replayed).equals(encodeSnapshot(tree)) }).toEqual({ seed, isSame: true })
    expect(new Set(replayed.ephemeralOwners())).toEqual(new Set(tree.ephemeralOwners()))

    const loaded = decodeSnapshot(decodeRecords(encodeSnapshot(tree)).values)
    expect({ seed, isSame: encodeSnapshot(loaded).equals(encodeSnapshot(tree)) }).toEqual({ seed, isSame: true })
    expect(new Set(loaded.ephemeralOwners())).toEqual(new Set(tree.ephemeralOwners()))
  })

  test('submit: refused: the zxid is not used up, no event', () => {
    const tree = new DataTree()
    const { lastZxid } = tree
    const outcome = tree.submit([create('/a'), create('/a')], caller, 1)
    expect(outcome).toMatchObject({ error: { code: 'NODE_EXISTS', failedIndex: 1 } })
    expect(outcome).not.toHaveProperty('events')
    expect(tree.lastZxid).toBe(lastZxid)
    expect(tree.peek('/a')).toBeNull()
  })

  test('endSession: what the session owns goes at one zxid, nothing else', () => {
    const tree = new DataTree()
    tree.submit([create('/e1', CreateMode.ephemeral), create('/p'), create('/e2', CreateMode.ephemeral)], caller, 1)
    tree.submit([create('/other', CreateMode.ephemeral)], { ...caller, sessionId: 8n }, 1)
    const { transaction, events } = tree.endSession(7n, 2)
    expect(transaction?.changes).toEqual([
      { kind: 'delete', path: '/e1' },
      { kind: 'delete', path: '/e2' },
    ])
    expect(events.filter(event => event.type === 'deleted')).toHaveLength(2)
    expect(tree.children('/', [])).toEqual(['other', 'p', 'zookeeper'])
  })

  test.each(['/', '/zookeeper', '/zookeeper/quota', '/zookeeper/config'])('delete: %s: BAD_ARGUMENTS', path => {
    const outcome = new DataTree().submit([{ op: 'delete', path, version: -1 }], caller, 1)
    expect(outcome).toMatchObject({ error: { code: 'BAD_ARGUMENTS' } })
  })

  test('version: after 2^31 - 1: goes on below zero and leaves out -1', () => {
    const tree = new DataTree()
    const [root] = [...tree.states()]
    const set: Request = { op: 'set', path: '/a', data: null, version: -1 }
    tree.restore({ ...root!, path: '/a', version: 2 ** 31 - 1 })
    tree.submit([set], caller, 1)
    expect(tree.peek('/a')?.version).toBe(-(2 ** 31))
    tree.restore({ ...root!, path: '/a', version: -2 })
    tree.submit([set], caller, 1)
    expect(tree.peek('/a')?.version).toBe(0)
  })
})

describe('record file', () => {
  test('bytes that end anywhere: every whole record before is read', () => {
    const records = [{ one: 1 }, { two: 'zwei' }, { three: [3] }].map(encodeRecord)
    const bytes = Buffer.concat(records)
    for (let size = 0; size <= bytes.length; size++) {
      const whole = records.filter((_, index) => Buffer.concat(records.slice(0, index + 1)).length <= size)
      const { values, end } = decodeRecords(bytes.subarray(0, size))
      expect({ size, count: values.length, end }).toEqual({
        size,
        count: whole.length,
        end: Buffer.concat(whole).length,
      })
    }
  })
})

function create(path: string, mode: CreateMode = CreateMode.persistent): Operation {
  return { op: 'create', path, data: null, mode }
}

/** From few paths, so that requests meet. */
function randomRequest(random: (below: number) => number): Request {
  const parent = ['', '/a', '/b', '/a/a'][random(4)]!
  const path = `${parent}/${'abc'[random(3)]}`
  const version = random(3) - 1
  switch (random(6)) {
    case 0:
      return { op: 'set', path, data: Buffer.from([random(256)]), version }
    case 1:
      return { op: 'delete', path, version }
    case 2:
      return { op: 'check', path, version }
    case 3:
      return { op: 'set-acl', path, acl: [{ scheme: 'world', id: 'anyone', permissions: 31 }], version }
    default:
      return { op: 'create', path, data: Buffer.from([random(256)]), mode: Object.values(CreateMode)[random(4)]! }
  }
}

/** Mulberry32. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
