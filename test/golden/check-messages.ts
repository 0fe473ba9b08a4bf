import type { Json } from '@millrace/protocol/json'
import type { Checker } from './checker.ts'
import { messageMismatch } from './message-bytes.ts'
import { allMessages } from '@millrace/protocol/fuzzing/all-messages.fuzz'

/** `messages.jsonl`: one message per line, as JSON and as bytes. Reported per API, or `headers and data` for what has no API key. */
export const checker: Checker = {
  format: 'messages',

  recognizes(first) {
    return typeof first['message'] === 'string' && typeof first['hex'] === 'string'
  },

  async check({ vectors }, report) {
    const rows = await allMessages()
    for (const { line, value } of vectors) {
      const { message: name, apiKey, version, json, hex } = value as unknown as MessageVector
      const type =
        typeof apiKey === 'number' && apiKey >= 0 ? String(name).replace(/(Request|Response)$/, '') : 'headers and data'
      const subject = `${name} v${version}`
      try {
        const why = mismatch()
        if (why === null) report.passed(type)
        else report.failed(type, { line, subject, why })
      } catch (error) {
        report.failed(type, { line, subject, why: String(error) })
      }

      function mismatch(): string | null {
        const row = rows.get(name)
        if (row === undefined) return 'there is no such message'
        if ((apiKey ?? -1) !== row.apiKey) return `its API key should be ${apiKey}, is ${row.apiKey}`
        return messageMismatch(row, version, json, Buffer.from(hex, 'hex'))
      }
    }
  },
}

interface MessageVector {
  readonly message: string
  readonly apiKey?: number | null
  readonly version: number
  readonly json: Json
  readonly hex: string
}
