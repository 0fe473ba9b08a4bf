import { expect, test } from '@jest/globals'
import { assignReplicas, PlacementError } from './placement.ts'

/** The reference's check value; `test/golden` has the recorded ones (hashes.jsonl, type replicaAssignment). */
test('placement: rack-aware: racks alternate, no rack twice before all are used', () => {
  const racks = ['r1', 'r3', 'r3', 'r2', 'r2', 'r1']
  const assignment = assignReplicas({
    brokers: racks.map((rack, id) => ({ id, rack })),
    partitions: 7,
    replicationFactor: 3,
    fixedStartIndex: 0,
    random: () => 0,
  })
  expect([...assignment.values()]).toEqual([
    [0, 3, 1],
    [3, 1, 5],
    [1, 5, 4],
    [5, 4, 2],
    [4, 2, 0],
    [2, 0, 3],
    [0, 4, 2],
  ])
})

test('placement: without racks: followers shift by one each time the leaders went round', () => {
  const assignment = assignReplicas({
    brokers: [0, 1, 2].map(id => ({ id, rack: null })),
    partitions: 6,
    replicationFactor: 2,
    fixedStartIndex: 0,
    random: () => 0,
  })
  expect([...assignment.values()]).toEqual([
    [0, 1],
    [1, 2],
    [2, 0],
    [0, 2],
    [1, 0],
    [2, 1],
  ])
})

test('placement: no fixed start: start and shift are drawn', () => {
  const draws = [2, 1]
  const assignment = assignReplicas({
    brokers: [0, 1, 2].map(id => ({ id, rack: null })),
    partitions: 1,
    replicationFactor: 2,
    random: () => draws.shift()!,
  })
  expect([...assignment]).toEqual([[0, [2, 1]]])
})

test.each([
  ['INVALID_PARTITIONS', { partitions: 0, replicationFactor: 1 }, null],
  ['INVALID_REPLICATION_FACTOR', { partitions: 1, replicationFactor: 0 }, null],
  ['INVALID_REPLICATION_FACTOR', { partitions: 1, replicationFactor: 3 }, null],
  ['UNKNOWN_SERVER_ERROR', { partitions: 1, replicationFactor: 1 }, 'r1'],
] as const)('placement: %s', (code, wanted, rack) => {
  const brokers = [
    { id: 0, rack },
    { id: 1, rack: null },
  ]
  let thrown: unknown
  try {
    assignReplicas({ brokers, ...wanted, random: () => 0 })
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(PlacementError)
  expect((thrown as PlacementError).code).toBe(code)
})
