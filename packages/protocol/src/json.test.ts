import { expect, test } from '@jest/globals'
import { completed, fromJson, toJson } from './json.ts'
import { fetchRequest } from './messages/01-fetch.ts'
import { heartbeatRequest } from './messages/12-heartbeat.ts'
import { syncGroupResponse } from './messages/14-sync-group.ts'

const heartbeat = { groupId: 'g', generationId: 3, memberId: 'm', groupInstanceId: null }

test('json: version that lacks a field: neither printed nor accepted', () => {
  const { groupInstanceId: _lacking, ...json } = heartbeat
  expect(toJson(heartbeatRequest, 2, heartbeat)).toEqual(json)
  expect(fromJson(heartbeatRequest, 2, json)).toEqual(heartbeat)
  expect(() => fromJson(heartbeatRequest, 2, heartbeat)).toThrow('HeartbeatRequest.groupInstanceId is not in version 2')
})

test('json: bytes: base64', () => {
  const json = { throttleTimeMs: 0, errorCode: 0, assignment: 'AQID' }
  const value = fromJson(syncGroupResponse, 3, json)
  expect(value.assignment).toEqual(Buffer.from([1, 2, 3]))
  expect(toJson(syncGroupResponse, 3, value)).toEqual(json)
})

test('json: tagged field with its default: not printed', () => {
  const value = completed(fetchRequest, { maxWaitMs: 1 })
  expect(Object.keys(toJson(fetchRequest, 15, value) as object)).not.toContain('clusterId')
  expect(toJson(fetchRequest, 15, { ...value, clusterId: 'c' })).toMatchObject({ clusterId: 'c' })
})

test.each([
  ['missing', { groupId: 'g', generationId: 3 }, 'HeartbeatRequest.memberId is missing'],
  ['unknown', { ...heartbeat, group: 1 }, 'HeartbeatRequest.group is not a field'],
  ['of another kind', { ...heartbeat, generationId: '3' }, 'HeartbeatRequest.generationId should be a number'],
])('json: field that is %s: TypeError with its path', (_, json, why) => {
  expect(() => fromJson(heartbeatRequest, 3, json)).toThrow(why)
})
