import { expect, test } from '@jest/globals'
import { ControlType, buildEndTransactionMarker, parseControlKey, parseCoordinatorEpoch } from './control-record.ts'
import { readRecords } from './record.ts'
import { RecordBatch } from './record-batch.ts'

test('end-transaction marker: the bytes that Kafka writes', () => {
  const marker = buildEndTransactionMarker({
    type: ControlType.Commit,
    coordinatorEpoch: 0,
    producerId: 941,
    producerEpoch: 84,
    timestamp: 1_700_317_953_780,
    baseOffset: 1072,
    partitionLeaderEpoch: 4,
  })
  // vectors/record-batches.jsonl, v2-control-commit-coordinator-epoch-0
  expect(marker.toString('hex')).toBe(
    '0000000000000430000000420000000402b246b8f10030000000000000018be2d8fef40000018be2d8fef400000000000003ad0054' +
      'ffffffff000000012000000008000000010c00000000000000',
  )
  const [record] = readRecords(marker, 0, 1000)
  expect(parseControlKey(record!.key)).toEqual({ version: 0, type: ControlType.Commit })
  expect(parseCoordinatorEpoch(record!.value)).toBe(0)
  expect(new RecordBatch(marker)).toMatchObject({
    isControl: true,
    isTransactional: true,
    baseSequence: -1,
    recordCount: 1,
  })
})

test('control key: unknown type: null type; too short, null or negative version: none', () => {
  expect(parseControlKey(Buffer.from('00000002', 'hex'))).toEqual({ version: 0, type: null })
  expect(parseControlKey(Buffer.from('0005000000ff', 'hex'))).toEqual({ version: 5, type: ControlType.Abort })
  for (const bytes of [null, Buffer.from('000000', 'hex'), Buffer.from('ffff0000', 'hex')])
    expect(parseControlKey(bytes)).toBe(null)
  for (const bytes of [null, Buffer.from('0000000000', 'hex'), Buffer.from('ffff00000001', 'hex')]) {
    expect(parseCoordinatorEpoch(bytes)).toBe(null)
  }
})
