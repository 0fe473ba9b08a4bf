import { describe, expect, test } from '@jest/globals'
import { compileDecoder } from './decoder.ts'
import { compileEncoder } from './encoder.ts'
import { codec, type Codec } from './codec.ts'
import { MalformedMessage } from './malformed-message.ts'
import { fetchResponse } from './messages/01-fetch.ts'
import { metadataRequest, metadataResponse } from './messages/03-metadata.ts'
import { offsetFetchRequest } from './messages/09-offset-fetch.ts'
import { heartbeatRequest } from './messages/12-heartbeat.ts'
import { Reader } from './reader.ts'
import { array, emptyOf, int32, int8, message, NO_API, string, struct, type Message } from './schema.ts'
import { UnencodableMessage } from './unencodable-message.ts'
import { Writer } from './writer.ts'

/** Generated code and closures must do the same, errors included. */
describe.each([
  ['generated code', true],
  ['closures', false],
])('codec: %s', (_, generate) => {
  const compiled = <T>(message: Message<T>, version: number): Codec<T> => ({
    decode: compileDecoder(message, version, generate),
    encode: compileEncoder(message, version, generate),
  })
  const encoded = <T>(message: Message<T>, version: number, value: T): Buffer => {
    const writer = new Writer()
    compiled(message, version).encode(writer, value)
    return Buffer.from(writer.finish())
  }
  const fault = <T>(message: Message<T>, version: number, bytes: Buffer): MalformedMessage => {
    try {
      compiled(message, version).decode(new Reader(bytes))
    } catch (error) {
      if (error instanceof MalformedMessage) return error
      throw error
    }
    throw new Error('it decoded')
  }
  const refusal = <T>(message: Message<T>, version: number, value: T): UnencodableMessage => {
    try {
      encoded(message, version, value)
    } catch (error) {
      if (error instanceof UnencodableMessage) return error
      throw error
    }
    throw new Error('it encoded')
  }

  test('decode: version that lacks a field: its default, not null and not undefined', () => {
    const bytes = encoded(metadataRequest, 1, { ...emptyOf(metadataRequest), topics: null })
    expect(compiled(metadataRequest, 1).decode(new Reader(bytes))).toEqual({
      topics: null,
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
  })

  test('decode: defaults: every value has its own', () => {
    const { decode } = compiled(fetchResponse, 0)
    const bytes = encoded(fetchResponse, 0, emptyOf(fetchResponse))
    const first = decode(new Reader(bytes))
    first.nodeEndpoints.push({ nodeId: 1, host: 'h', port: 1, rack: null })
    expect(decode(new Reader(bytes)).nodeEndpoints).toEqual([])
  })

  test('decode: bytes: a view of the frame, not a copy', () => {
    const value = emptyOf(fetchResponse)
    const records = Buffer.alloc(20, 7)
    const partition = {
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 5,
      lastStableOffset: 5,
      logStartOffset: 0,
      divergingEpoch: { epoch: -1, endOffset: -1 },
      currentLeader: { leaderId: -1, leaderEpoch: -1 },
      snapshotId: { endOffset: -1, epoch: -1 },
      abortedTransactions: null,
      preferredReadReplica: -1,
      records,
    }
    value.responses.push({
      topic: 'a',
      topicId: emptyOf(fetchResponse).responses[0]?.topicId ?? 'A'.repeat(22),
      partitions: [partition],
    })
    const bytes = encoded(fetchResponse, 12, value)
    const decoded = compiled(fetchResponse, 12).decode(new Reader(bytes))
    expect(decoded).toEqual(value)
    expect(decoded.responses[0]!.partitions[0]!.records!.buffer).toBe(bytes.buffer)
  })

  test('decode: bytes left over: reader.remaining tells', () => {
    const reader = new Reader(Buffer.concat([encoded(heartbeatRequest, 4, emptyOf(heartbeatRequest)), Buffer.alloc(3)]))
    compiled(heartbeatRequest, 4).decode(reader)
    expect(reader.remaining).toBe(3)
  })

  test('decode: frame that ends early: message, version, path and byte in the error', () => {
    const value = emptyOf(metadataResponse)
    value.brokers.push({ nodeId: 1, host: 'one', port: 9092, rack: null })
    value.brokers.push({ nodeId: 2, host: 'two', port: 9092, rack: 'r' })
    const bytes = encoded(metadataResponse, 1, value)
    const second = bytes.indexOf('two')
    bytes[second - 1] = 103
    const error = fault(metadataResponse, 1, bytes.subarray(0, second + 4))
    expect(error).toMatchObject({
      messageName: 'MetadataResponse',
      version: 1,
      field: 'brokers[1].host',
      offset: second - 2,
    })
    expect(error.message).toBe(`MetadataResponse v1, brokers[1].host: length 103, 4 bytes remain (byte ${second - 2})`)
  })

  test('decode: count beyond the frame: refused before any item is read', () => {
    const bytes = Buffer.from('7fffffff', 'hex')
    expect(fault(metadataRequest, 1, bytes)).toMatchObject({ field: 'topics', offset: 0 })
  })

  test('decode: count that fits in bytes but not in items of their least size: refused', () => {
    // Ten brokers of at least 4 + 2 + 4 + 2 bytes in the 40 bytes that remain.
    const bytes = Buffer.concat([Buffer.from('0000000a', 'hex'), Buffer.alloc(40)])
    expect(fault(metadataResponse, 1, bytes).reason).toBe('10 items of at least 12 bytes, 40 remain')
  })

  test('decode: null where the version has none: refused', () => {
    expect(fault(metadataRequest, 0, Buffer.from('ffffffff', 'hex'))).toMatchObject({
      field: 'topics',
      reason: 'null in a field that cannot be null',
    })
    expect(fault(heartbeatRequest, 0, Buffer.from('ffff', 'hex'))).toMatchObject({ field: 'groupId', offset: 0 })
  })

  test('decode: int64 beyond 2^53: refused, not rounded', () => {
    const bytes = Buffer.concat([Buffer.alloc(8), Buffer.from('0020000000000000', 'hex')])
    const row = message('Row', NO_API, '0', 'none', { at: struct('0', { a: int32(), b: int32() }) })
    expect(compiled(row, 0).decode(new Reader(bytes))).toEqual({ at: { a: 0, b: 0 } })
    expect(
      fault(fetchResponse, 0, Buffer.from('000000010001740000000100000000000000200000000000000000ffff', 'hex')),
    ).toMatchObject({
      field: 'responses[0].partitions[0].highWatermark',
      reason: 'int64 beyond 2^53',
    })
  })

  const tagged = message('Tagged', NO_API, '0-1', '1+', {
    plain: int8('0+'),
    name: string('1+').nullByDefault().tag(2),
    place: struct('1+', { x: int32('1+').default(-1), y: int32('1+').default(-1) }).tag(0),
    list: array('1+', int8()).tag(5).ignorable(),
    strict: int8('1+'),
  })
  const plain = { plain: 1, name: null, place: { x: -1, y: -1 }, list: [], strict: 0 }

  test('tagged fields: defaults are not sent, others in the order of their tags', () => {
    expect(encoded(tagged, 1, plain).toString('hex')).toBe('010000')
    const value = { ...plain, name: 'n', place: { x: 1, y: -1 }, list: [3] }
    const bytes = encoded(tagged, 1, value)
    expect(bytes.toString('hex')).toBe('0100' + '03' + '000900000001ffffffff00' + '0202026e' + '05020203')
    expect(compiled(tagged, 1).decode(new Reader(bytes))).toEqual(value)
  })

  test('tagged fields: content of 128 bytes and more: size in two bytes', () => {
    const value = { ...plain, name: 'x'.repeat(20_000), place: { x: 2, y: 2 } }
    const bytes = encoded(tagged, 1, value)
    expect(compiled(tagged, 1).decode(new Reader(bytes))).toEqual(value)
  })

  test('tagged fields: unknown tag: skipped', () => {
    const bytes = Buffer.from('0100' + '02' + '0900' + '0a03616263', 'hex')
    expect(compiled(tagged, 1).decode(new Reader(bytes))).toEqual(plain)
  })

  test.each([
    ['size short of its content', '0100' + '01' + '0201026e'],
    ['size beyond its content', '0100' + '01' + '0203026e00'],
    ['size beyond the frame', '0100' + '01' + '09ff7f'],
    ['more tags than bytes', '0100' + 'ffffffff0f'],
    ['size of more than 32 bits', '0100' + '01' + '09ffffffffff01'],
  ])('tagged fields: %s: MalformedMessage', (_, hex) => {
    expect(fault(tagged, 1, Buffer.from(hex, 'hex'))).toMatchObject({ messageName: 'Tagged', version: 1 })
  })

  test('encode: value in a field that the version lacks: refused with its name, unless ignorable or the default', () => {
    expect(encoded(tagged, 0, { ...plain, list: [1] }).toString('hex')).toBe('01')
    expect(refusal(tagged, 0, { ...plain, strict: 1 })).toMatchObject({
      messageName: 'Tagged',
      version: 0,
      field: 'strict',
    })
    expect(refusal(tagged, 0, { ...plain, place: { x: -1, y: 0 } }).field).toBe('place')
    expect(refusal(tagged, 0, { ...plain, name: '' }).field).toBe('name')
    const group = { groupId: 'g', memberId: null, memberEpoch: -1, topics: null }
    expect(refusal(offsetFetchRequest, 7, { ...emptyOf(offsetFetchRequest), groups: [group] }).message).toBe(
      'OffsetFetchRequest v7, groups: holds a value that this version cannot carry',
    )
  })

  test('encode: values of another kind: refused with the path, nothing is wrapped around', () => {
    const request = emptyOf(heartbeatRequest)
    expect(refusal(heartbeatRequest, 0, { ...request, generationId: 2 ** 31 })).toMatchObject({ field: 'generationId' })
    expect(refusal(heartbeatRequest, 0, { ...request, generationId: 0.5 }).reason).toBe('0.5 does not fit int32')
    expect(refusal(heartbeatRequest, 0, { ...request, groupId: 'g'.repeat(32_768) })).toMatchObject({
      field: 'groupId',
    })
    expect(refusal(heartbeatRequest, 0, { ...request, memberId: null as unknown as string })).toMatchObject({
      field: 'memberId',
      reason: 'null in a field that cannot be null',
    })
    const { memberId: _memberId, ...lacking } = request
    expect(refusal(heartbeatRequest, 0, lacking as typeof request)).toMatchObject({ field: 'memberId' })
    const response = emptyOf(metadataResponse)
    response.brokers.push({ nodeId: 0, host: 'h', port: NaN, rack: null })
    expect(refusal(metadataResponse, 1, response)).toMatchObject({ field: 'brokers[0].port' })
  })

  test('compile: version that the message does not have: RangeError', () => {
    expect(() => compileDecoder(heartbeatRequest, 5, generate)).toThrow('HeartbeatRequest has versions 0 to 4, not 5')
    expect(() => compileEncoder(heartbeatRequest, -1, generate)).toThrow(RangeError)
    expect(() => compileEncoder(heartbeatRequest, 0.5, generate)).toThrow(RangeError)
  })
})

test('codec: same message and version: compiled once', () => {
  expect(codec(heartbeatRequest, 3)).toBe(codec(heartbeatRequest, 3))
  expect(codec(heartbeatRequest, 3)).not.toBe(codec(heartbeatRequest, 4))
})
