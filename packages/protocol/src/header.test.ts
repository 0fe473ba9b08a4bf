import { expect, test } from '@jest/globals'
import { ApiKey } from './api-keys.ts'
import { decodeRequestHeader, decodeResponseHeader, encodeRequestHeader, encodeResponseHeader } from './header.ts'
import { MalformedMessage } from './malformed-message.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

test.each([
  ['v1', ApiKey.Metadata, 8, '0003' + '0008' + '00000007' + '00026d65'],
  ['v2', ApiKey.Metadata, 9, '0003' + '0009' + '00000007' + '00026d65' + '00'],
  ['v2, version beyond what we speak', ApiKey.ApiVersions, 9, '0012' + '0009' + '00000007' + '00026d65' + '00'],
])('request header: %s: both ways', (_, apiKey, apiVersion, hex) => {
  const header = { apiKey, apiVersion, correlationId: 7, clientId: 'me' }
  const writer = new Writer()
  encodeRequestHeader(writer, header)
  expect(writer.finish().toString('hex')).toBe(hex)
  const reader = new Reader(Buffer.from(hex, 'hex'))
  expect(decodeRequestHeader(reader)).toEqual(header)
  expect(reader.remaining).toBe(0)
})

test('request header: ControlledShutdown v0: no client id', () => {
  const header = { apiKey: ApiKey.ControlledShutdown, apiVersion: 0, correlationId: 1, clientId: '' }
  const writer = new Writer()
  encodeRequestHeader(writer, { ...header, clientId: 'dropped' })
  const bytes = writer.finish()
  expect(bytes.toString('hex')).toBe('0007000000000001')
  expect(decodeRequestHeader(new Reader(bytes))).toEqual(header)
})

test('request header: null client id: null', () => {
  const reader = new Reader(Buffer.from('0003' + '0001' + '00000000' + 'ffff', 'hex'))
  expect(decodeRequestHeader(reader).clientId).toBeNull()
})

test.each([
  ['unknown key', '04d200000000000000', 'requestApiKey'],
  ['nothing', '', 'requestApiKey'],
  ['one byte', '00', 'requestApiKey'],
  ['key only', '0003', 'requestApiVersion'],
  ['no correlation id', '0003000100', 'correlationId'],
  ['client id beyond the frame', '00030001000000010009', 'clientId'],
])('request header: %s: MalformedMessage that names the field', (_, hex, field) => {
  let error: unknown
  try {
    decodeRequestHeader(new Reader(Buffer.from(hex, 'hex')))
  } catch (caught) {
    error = caught
  }
  expect(error).toBeInstanceOf(MalformedMessage)
  expect(error).toMatchObject({ messageName: 'RequestHeader', field })
})

test.each([
  ['not flexible', ApiKey.Metadata, 8, '00000009'],
  ['flexible', ApiKey.Metadata, 9, '0000000900'],
  ['ApiVersions, flexible', ApiKey.ApiVersions, 4, '00000009'],
])('response header: %s: both ways', (_, apiKey, apiVersion, hex) => {
  const writer = new Writer()
  encodeResponseHeader(writer, { apiKey, apiVersion }, 9)
  expect(writer.finish().toString('hex')).toBe(hex)
  expect(decodeResponseHeader(new Reader(Buffer.from(hex, 'hex')), { apiKey, apiVersion })).toBe(9)
})

test('headers: API key that a broker with ZooKeeper does not speak: RangeError', () => {
  const request = { apiKey: ApiKey.Vote, apiVersion: 0 }
  expect(() => encodeResponseHeader(new Writer(), request, 0)).toThrow(RangeError)
})
