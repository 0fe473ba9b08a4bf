import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { codec } from '@millrace/protocol/codec'
import { encodeRequestHeader } from '@millrace/protocol/header'
import { metadataRequest } from '@millrace/protocol/messages/03-metadata'
import { emptyOf } from '@millrace/protocol/schema'
import { Writer } from '@millrace/protocol/writer'
import { LoneBroker, type Outcome } from '@millrace/testing/data-path/lone-broker'
import { dataHandlers } from './table.ts'

let broker: LoneBroker

beforeEach(async () => {
  broker = await LoneBroker.open()
})
afterEach(() => broker.close())

function frame(apiKey: number, apiVersion: number, body: Buffer): Buffer {
  const writer = new Writer()
  encodeRequestHeader(writer, { apiKey, apiVersion, correlationId: 1, clientId: 'test' })
  return Buffer.concat([writer.finish(), body])
}

describe('bodies', () => {
  test('cut anywhere: the connection is closed, and the reason names message, field and byte', async () => {
    const writer = new Writer()
    codec(metadataRequest, 12).encode(writer, {
      ...emptyOf(metadataRequest),
      topics: [{ name: 'abc', topicId: 'abcdefghijklmnopqrstuA' }],
    })
    const body = writer.finish()
    for (let length = 0; length < body.length; length++) {
      const outcome = await broker.sendFrame(frame(3, 12, body.subarray(0, length)))
      expect(outcome).toMatchObject({ kind: 'closed', reason: expect.stringMatching(/^MetadataRequest v12.*byte \d+/) })
    }
    expect(await broker.sendFrame(frame(3, 12, body))).toMatchObject({ kind: 'frame' })
  })

  test('random bytes in every version of every API: an answer or a closed connection (seed 1)', async () => {
    let state = 1
    const byte = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      // Small numbers and -1 get further than noise: they are counts, lengths and nulls.
      return (state >>> 8) % 3 === 0 ? (state >>> 16) & 0xff : [0, 0, 0, 1, 2, 255][(state >>> 16) % 6]!
    }
    const kinds = new Map<Outcome['kind'], number>()
    for (const { apiKey, versions } of dataHandlers) {
      for (let version = versions[0]; version <= versions[1]; version++) {
        for (let round = 0; round < 25; round++) {
          const body = Buffer.from(Array.from({ length: byte() % 60 }, byte))
          const outcome = await withDeadline(broker.sendFrame(frame(apiKey, version, body)))
          kinds.set(outcome.kind, (kinds.get(outcome.kind) ?? 0) + 1)
        }
      }
    }
    expect(kinds.get('closed')).toBeGreaterThan(100)
    expect(kinds.get('frame')).toBeGreaterThan(100)
  })
})

/** A random Fetch or DeleteRecords may want to wait for weeks: that is an answer, too. */
function withDeadline(outcome: Promise<Outcome>): Promise<Outcome> {
  return Promise.race([
    outcome,
    new Promise<Outcome>(resolve => broker.services.deadlines.after(200, () => resolve({ kind: 'none' }))),
  ])
}

test('a header that ends early: closed', async () => {
  for (let length = 0; length < 10; length++) {
    const outcome = await broker.sendFrame(frame(3, 12, Buffer.alloc(0)).subarray(0, length))
    expect(outcome).toMatchObject({ kind: 'closed' })
  }
})
