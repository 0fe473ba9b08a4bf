import { expect, test } from '@jest/globals'
import { assignmentProblem, collidingTopics, topicNameProblem } from './topic-rules.ts'

test.each([
  ['orders', null],
  ['a'.repeat(249), null],
  ['a.b_c-9', null],
  ['...', null],
  ['', 'empty'],
  ['.', 'not allowed'],
  ['..', 'not allowed'],
  ['a'.repeat(250), 'longer than'],
  ['a b', 'characters other than'],
  ['größe', 'characters other than'],
  ['a/b', 'characters other than'],
  ['a\n', 'characters other than'],
])('topic name: %j: %s', (name, problem) => {
  if (problem === null) expect(topicNameProblem(name)).toBeNull()
  else expect(topicNameProblem(name)).toContain(problem)
})

test('topic name: dots and underscores count as equal: collides with other topics, not with itself', () => {
  expect(collidingTopics('a.b', ['a_b', 'a.b', 'ab', 'a_c'])).toEqual(['a_b'])
  expect(collidingTopics('a-b', ['a_b'])).toEqual([])
})

test.each([
  ['two equal partitions', { 0: [1, 2], 1: [2, 3] }, {}, null],
  ['none', {}, {}, 'empty'],
  ['a gap', { 0: [1], 2: [1] }, {}, 'consecutive'],
  ['not from zero', { 1: [1] }, {}, 'consecutive'],
  ['from the third', { 3: [1], 4: [2] }, { firstPartition: 3 }, null],
  ['a duplicate', { 0: [1, 1] }, {}, 'duplicate'],
  ['no replicas', { 0: [] }, {}, 'no replicas'],
  ['unequal factors', { 0: [1], 1: [1, 2] }, {}, 'need 1'],
  ['another factor', { 0: [1] }, { replicationFactor: 2 }, 'need 2'],
  ['a negative id', { 0: [-1] }, {}, 'invalid broker id'],
])('assignment: %s: %s', (_, assignment, options, problem) => {
  const map = new Map(
    Object.entries(assignment).map(([partition, replicas]) => [Number(partition), replicas as number[]]),
  )
  if (problem === null) expect(assignmentProblem(map, options)).toBeNull()
  else expect(assignmentProblem(map, options)).toContain(problem)
})
