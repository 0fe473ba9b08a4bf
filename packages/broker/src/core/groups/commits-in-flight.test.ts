import { expect, test } from '@jest/globals'
import { CommitsInFlight } from './commits-in-flight.ts'
import type { TopicPartition } from './entries.ts'

test('commits in flight: a partition is on its way until the last commit of it has ended, in whatever order they end', () => {
  const commits = new CommitsInFlight()
  const of = (...partitions: number[]): TopicPartition[] => partitions.map(partition => ({ topic: 't', partition }))
  const [first, second, third] = [of(0, 1), of(1, 2), of(1)]
  const onTheirWay = (): number[] => [...commits.partitions()].map(({ partition }) => partition).sort((a, b) => a - b)
  expect([commits.has('t', 0), onTheirWay()]).toEqual([false, []])
  for (const commit of [first, second, third]) commits.begin(commit)
  expect([commits.has('t', 1), commits.has('u', 1), onTheirWay()]).toEqual([true, false, [0, 1, 2]])
  commits.end(second)
  commits.end(second)
  expect([commits.has('t', 1), commits.has('t', 2), onTheirWay()]).toEqual([true, false, [0, 1]])
  commits.end(first)
  expect([commits.has('t', 1), onTheirWay()]).toEqual([true, [1]])
  commits.end(third)
  expect([commits.has('t', 1), onTheirWay()]).toEqual([false, []])
})
