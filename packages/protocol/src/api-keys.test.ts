import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { ApiKey, apiByKey, apiName, apiRows, requestHeaderVersion, responseHeaderVersion } from './api-keys.ts'
import type { Message } from './schema.ts'

const folder = join(import.meta.dirname, 'messages')
const files = readdirSync(folder).filter(name => /^\d\d-.*\.ts$/.test(name))

test('api keys: every key has a file of messages, and every file a key', () => {
  expect(files.map(name => Number(name.slice(0, 2)))).toEqual(Object.values(ApiKey).sort((a, b) => a - b))
})

test.each(files)(
  'messages/%s: request and response agree with each other and with the table of API keys',
  async name => {
    const module = (await import(`./messages/${name}`)) as Record<string, Message<unknown>>
    const rows = Object.values(module).filter(row => typeof row === 'object')
    expect(rows.map(row => row.name.replace(/.*(Request|Response)$/, '$1'))).toEqual(['Request', 'Response'])
    const key = Number(name.slice(0, 2))
    const api = apiByKey(key)
    for (const row of rows) {
      expect(row.apiKey).toBe(key)
      expect(row.name).toContain(Object.entries(ApiKey).find(([, value]) => value === key)![0])
      if (api === undefined) continue
      expect(row.versions).toEqual(api.versions)
      expect(row.flexibleSince).toBe(api.flexibleSince)
    }
  },
)

test('api keys: header versions: 2 and 1 when flexible, with the two exceptions', () => {
  expect(requestHeaderVersion(ApiKey.Fetch, 11)).toBe(1)
  expect(requestHeaderVersion(ApiKey.Fetch, 12)).toBe(2)
  expect(responseHeaderVersion(ApiKey.Fetch, 11)).toBe(0)
  expect(responseHeaderVersion(ApiKey.Fetch, 12)).toBe(1)
  expect(requestHeaderVersion(ApiKey.SaslHandshake, 1)).toBe(1)
  expect(requestHeaderVersion(ApiKey.ControlledShutdown, 0)).toBe(0)
  expect(requestHeaderVersion(ApiKey.ControlledShutdown, 1)).toBe(1)
  expect(responseHeaderVersion(ApiKey.ApiVersions, 4)).toBe(0)
  expect(requestHeaderVersion(1234, 0)).toBeUndefined()
})

test('api keys: rows: in order of their keys, each once', () => {
  const keys = apiRows.map(row => row.key)
  expect(keys).toEqual([...new Set(keys)].sort((a, b) => a - b))
  expect(apiName(0)).toBe('Produce')
  expect(apiName(1234)).toBe('Api1234')
})
