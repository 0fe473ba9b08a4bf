import type { Checker } from './checker.ts'
import { recordBatchMismatch, type RecordBatchVector } from './record-batch-bytes.ts'

/** `record-batches.jsonl`: batches and message sets of every magic and codec. Reported per magic and codec. */
export const checker: Checker = {
  format: 'record-batches',

  recognizes(first) {
    return typeof first['magic'] === 'number' && typeof first['hex'] === 'string' && Array.isArray(first['records'])
  },

  check({ vectors }, report) {
    for (const { line, value } of vectors) {
      const vector = value as unknown as RecordBatchVector
      const type = `magic ${vector.magic} ${vector.compression}`
      const subject = vector.name
      try {
        const why = recordBatchMismatch(vector)
        if (why === null) report.passed(type)
        else report.failed(type, { line, subject, why })
      } catch (error) {
        report.failed(type, { line, subject, why: String(error) })
      }
    }
  },
}
