import { expect, test } from '@jest/globals'
import { fuzz } from './fuzz.fuzz.ts'

// A longer search with other seeds: npm run fuzz.
test('fuzz: 3000 attempts (seed 1): only typed refusals, sound values come back', async () => {
  const { attempts, find } = await fuzz(1, n => n < 3000)
  expect(find).toBeNull()
  expect(attempts).toBe(3000)
}, 60_000)
