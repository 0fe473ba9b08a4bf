import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { apiVersionsRequest, apiVersionsResponse } from '@millrace/protocol/messages/18-api-versions'
import { Reader } from '@millrace/protocol/reader'
import { LoneBroker } from '@millrace/testing/data-path/lone-broker'
import { handlers, handlerTable } from './table.ts'

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

const client = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' }

test.each([0, 1, 2, 3, 4])('v%d: what is in the table, by key', async version => {
  const response = await broker.request(apiVersionsRequest, apiVersionsResponse, version, client)
  expect(response).toMatchObject({ errorCode: ErrorCode.NONE, supportedFeatures: [], zkMigrationReady: false })
  expect(response.apiKeys).toEqual(broker.services.advertisedApis)
  expect(response.apiKeys).toContainEqual({ apiKey: 0, minVersion: 0, maxVersion: 11 })
  expect(response.apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 })
  const keys = response.apiKeys.map(({ apiKey }) => apiKey)
  expect(keys).toEqual([...keys].sort((a, b) => a - b))
})

test('a version beyond ours: v0 layout, UNSUPPORTED_VERSION, our own range; the body is not read', async () => {
  // Header v2: key, version 9, correlation id 7, no client id, no tags; then bytes that no version knows.
  const frame = Buffer.from('0012' + '0009' + '00000007' + 'ffff' + '00' + 'deadbeef', 'hex')
  const outcome = await broker.sendFrame(frame)
  if (outcome.kind !== 'frame') throw new Error(outcome.kind)
  const reader = new Reader(outcome.frame)
  expect(reader.int32()).toBe(7)
  expect(codec(apiVersionsResponse, 0).decode(reader)).toMatchObject({
    errorCode: ErrorCode.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
  })
  expect(reader.remaining).toBe(0)
})

test.each([
  ['', '1.0'],
  ['name with spaces', '1.0'],
  ['-dash', '1.0'],
  ['ok', ''],
  ['ok', '1.0-'],
])('software %j %j: INVALID_REQUEST', async (clientSoftwareName, clientSoftwareVersion) => {
  const request = { clientSoftwareName, clientSoftwareVersion }
  const response = await broker.request(apiVersionsRequest, apiVersionsResponse, 3, request)
  expect(response).toMatchObject({ errorCode: ErrorCode.INVALID_REQUEST, apiKeys: [] })
})

test('the table: one handler per key, inside what Kafka 3.9 has', () => {
  expect(handlerTable(handlers).size).toBe(handlers.length)
  const [first] = handlers
  expect(() => handlerTable([first!, first!])).toThrow(TypeError)
})
