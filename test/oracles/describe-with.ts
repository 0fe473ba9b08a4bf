import { describe, test } from '@jest/globals'
import { oracles, type Oracles } from './oracles.ts'

/** A block of tests that need foreign programs: skipped by name with the reason when one is missing; a failure with CI=true. */
export function describeWith(needed: readonly (keyof Oracles)[], name: string, body: () => void): void {
  const missing = needed.flatMap(each => {
    const oracle = oracles()[each]
    return oracle.ok ? [] : [`${each}: ${oracle.reason}; to enable: ${oracle.command}`]
  })
  if (missing.length === 0) return describe(name, body)
  if (process.env['CI'] === 'true') {
    test(`${name}: its oracles are there`, () => {
      throw new Error(missing.join('; '))
    })
    return
  }
  describe.skip(`${name} [skipped: ${missing.join('; ')}]`, body)
}
