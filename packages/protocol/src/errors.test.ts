import { expect, test } from '@jest/globals'
import { ErrorCode, errorByCode, errorName, errorRows } from './errors.ts'

test('errors: all 129 of Kafka 3.9, without a gap, each once', () => {
  expect(errorRows.map(row => row.code)).toEqual(Array.from({ length: 129 }, (_, index) => index - 1))
  expect(new Set(errorRows.map(row => row.name)).size).toBe(129)
})

test('errors: rows: looked up by code', () => {
  expect(errorName(ErrorCode.NOT_LEADER_OR_FOLLOWER)).toBe('NOT_LEADER_OR_FOLLOWER')
  expect(errorName(4321)).toBe('ERROR_4321')
  expect(errorByCode(6)).toMatchObject({ isRetriable: true, refreshesMetadata: true })
  expect(errorByCode(16)).toMatchObject({ isRetriable: true, refreshesMetadata: false })
  expect(errorByCode(4321)).toBeUndefined()
})

test('errors: what refreshes metadata is retriable', () => {
  expect(errorRows.filter(row => row.refreshesMetadata && !row.isRetriable)).toEqual([])
})
