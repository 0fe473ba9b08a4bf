import { expect, test } from '@jest/globals'
import { SampledRate } from './sampled-rate.ts'

const eleven = { windowMs: 1000, windowCount: 11 }

test('sampled rate: nothing yet: 0', () => {
  expect(new SampledRate(eleven).perSecond(5000)).toBe(0)
})

test('sampled rate: a burst: spread over all windows but one', () => {
  const rate = new SampledRate(eleven)
  rate.record(1000, 0)
  expect(rate.perSecond(0)).toBe(100)
  expect(rate.perSecond(9000)).toBe(100)
})

test('sampled rate: steady: what comes per second', () => {
  const rate = new SampledRate(eleven)
  for (let second = 0; second < 60; second++) rate.record(500, second * 1000)
  expect(rate.perSecond(59_999)).toBeGreaterThan(480)
  expect(rate.perSecond(59_999)).toBeLessThan(560)
})

test('sampled rate: silence for as long as the windows: forgotten', () => {
  const rate = new SampledRate(eleven)
  rate.record(1000, 0)
  expect(rate.perSecond(10_999)).toBeGreaterThan(0)
  expect(rate.perSecond(11_000)).toBe(0)
})

test('sampled rate: one window: what was in it', () => {
  const rate = new SampledRate({ windowMs: 1000, windowCount: 1 })
  rate.record(300, 0)
  rate.record(200, 999)
  expect(rate.perSecond(999)).toBe(500)
  expect(rate.perSecond(1000)).toBe(0)
})
