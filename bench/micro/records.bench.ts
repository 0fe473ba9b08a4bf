// Reading and writing batches: nanoseconds per record, batches of 1,000.
import { buildBatch } from '@millrace/protocol/records/batch-builder'
import { openPayload } from '@millrace/protocol/records/payload'
import { RecordReader } from '@millrace/protocol/records/record'
import { isCrcValidAt } from '@millrace/protocol/records/record-batch'
import { walkRecords } from '@millrace/protocol/records/record-walk'
import { nanosecondsPerCall } from './timing.ts'

const count = 1000
const kinds = [
  { name: '100 B values, no key', key: null, size: 100, headers: [] },
  { name: '100 B values, 10 B keys', key: Buffer.from('key-123456'), size: 100, headers: [] },
  { name: '1 KiB values', key: null, size: 1024, headers: [] },
  {
    name: '100 B values, two headers',
    key: null,
    size: 100,
    headers: ['trace', 'origin'].map(key => ({ key, value: Buffer.from('abcdef') })),
  },
]
console.log('records'.padEnd(28), '   walk   crc+walk   read lazily   read values   build')
for (const { name, key, size, headers } of kinds) {
  const value = Buffer.alloc(size, 'v')
  const records = Array.from({ length: count }, (_, i) => ({
    timestamp: 1_700_000_000_000 + (i >> 3),
    key,
    value,
    headers,
  }))
  const batch = buildBatch(records)
  const readAll = (use: (value: Uint8Array | null) => void): void => {
    const reader = new RecordReader(batch, 0, openPayload(batch, 0, batch.length))
    for (let record = reader.next(); record !== null; record = reader.next()) use(record.value)
  }
  let offsets = 0
  const columns = [
    () => walkRecords(batch, 0),
    () => isCrcValidAt(batch, 0) && walkRecords(batch, 0),
    () => {
      const reader = new RecordReader(batch, 0, openPayload(batch, 0, batch.length))
      for (let record = reader.next(); record !== null; record = reader.next()) offsets += record.offset
    },
    () => readAll(bytes => (offsets += bytes!.length)),
    () => buildBatch(records),
  ].map(work => (nanosecondsPerCall(work) / count).toFixed(1))
  console.log(name.padEnd(28), columns.map((text, i) => text.padStart([7, 10, 13, 13, 7][i]!)).join(' '))
}
