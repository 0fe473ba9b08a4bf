import { describe, expect, test } from '@jest/globals'
import { Metrics, type MetricRow } from './metrics.ts'

const requests = {
  kind: 'counter',
  name: 'requests_total',
  unit: 'requests',
  help: 'Answered',
  labels: ['api'],
} satisfies MetricRow
const queue = { kind: 'gauge', name: 'queue_bytes', unit: 'bytes', help: 'Waiting' } satisfies MetricRow
const latency = { kind: 'histogram', name: 'latency_ms', unit: 'ms', help: 'From frame to answer' } satisfies MetricRow

describe('metrics', () => {
  test('the same row and labels: the same metric', () => {
    const metrics = new Metrics()
    metrics.counter(requests, 'Fetch').add(2)
    metrics.counter(requests, 'Fetch').add()
    metrics.counter(requests, 'Produce').add(5)
    let waiting = 7
    metrics.gaugeOf(queue, () => waiting)
    waiting = 8
    const values = metrics
      .samples()
      .map(({ row, labelValues, metric }) => [row.name, ...labelValues, 'value' in metric ? metric.value : null])
    expect(values).toEqual([
      ['requests_total', 'Fetch', 3],
      ['requests_total', 'Produce', 5],
      ['queue_bytes', 8],
    ])
  })

  test('a label missing, a wrong kind, two rows of one name: refused', () => {
    const metrics = new Metrics()
    expect(() => metrics.counter(requests)).toThrow('a value for each label')
    expect(() => metrics.gauge(requests, 'Fetch')).toThrow('is a counter')
    metrics.gauge(queue)
    expect(() => metrics.gauge({ ...queue })).toThrow('declared by one row')
  })

  test('histogram: quantiles are at most an eighth above the truth', () => {
    const histogram = new Metrics().histogram(latency)
    for (let value = 0; value < 10_000; value++) histogram.record(value)
    for (const share of [0.1, 0.5, 0.9, 0.99, 0.999]) {
      const truth = share * 10_000 - 1
      expect(histogram.quantile(share)).toBeGreaterThanOrEqual(truth)
      expect(histogram.quantile(share)).toBeLessThanOrEqual(truth * 1.125 + 1)
    }
    expect([histogram.count, histogram.sum, histogram.max, histogram.quantile(1)]).toEqual([
      10_000, 49_995_000, 9999, 9999,
    ])
  })

  test('histogram: empty, zero, negative and huge values: counted, nothing thrown', () => {
    const histogram = new Metrics().histogram(latency)
    expect(histogram.quantile(0.5)).toBe(0)
    for (const value of [0, -1, 0.5, 2 ** 60]) histogram.record(value)
    expect(histogram.quantile(0.5)).toBe(1)
    expect(histogram.count).toBe(4)
  })
})
