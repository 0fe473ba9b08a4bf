import { assert } from './invariant.ts'

/** What a metric is, once, in one table per room. Documents and dashboards are made from these rows. */
export interface MetricRow {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  /** snake_case with the unit last, as Prometheus wants it: `requests_total`, `request_duration_ms`. */
  readonly name: string
  /** `requests`, `bytes`, `ms`, `1`… */
  readonly unit: string
  readonly help: string
  /** Names of the labels, few and of few values each: an API, a listener; never a client. */
  readonly labels?: readonly string[]
}

/** Only grows. */
export class Counter {
  value = 0

  add(count = 1): void {
    this.value += count
  }
}

/** Goes up and down. */
export class Gauge {
  value = 0

  set(value: number): void {
    this.value = value
  }

  add(count: number): void {
    this.value += count
  }
}

/** Each doubling is cut into this many buckets, so a quantile is at most 1/8 too high. */
const bucketsPerDoubling = 8

/** Counts numbers from 0 up by size. Recording costs a few nanoseconds and allocates nothing. */
export class Histogram {
  count = 0
  sum = 0
  max = 0
  /** Bucket 0 is [0, 1); then eight for [1, 2), eight for [2, 4), up to 2^40. */
  readonly #buckets = new Float64Array(1 + 40 * bucketsPerDoubling)

  record(value: number): void {
    this.count++
    this.sum += value
    if (value > this.max) this.max = value
    this.#buckets[bucketOf(value)]!++
  }

  /** Upper bound of the bucket that holds the value below which `share` (0..1) of all values lie; 0 when there is none. */
  quantile(share: number): number {
    const rank = Math.ceil(share * this.count)
    let seen = 0
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      seen += this.#buckets[bucket]!
      if (seen >= rank && seen > 0) return Math.min(this.max, upperBoundOf(bucket))
    }
    return this.max
  }
}

function bucketOf(value: number): number {
  if (!(value >= 1)) return 0
  const exponent = Math.min(39, Math.floor(Math.log2(value)))
  const fraction = value / 2 ** exponent - 1
  return (
    1 +
    exponent * bucketsPerDoubling +
    Math.max(0, Math.min(bucketsPerDoubling - 1, Math.floor(fraction * bucketsPerDoubling)))
  )
}

function upperBoundOf(bucket: number): number {
  if (bucket === 0) return 1
  const exponent = Math.floor((bucket - 1) / bucketsPerDoubling)
  const step = (bucket - 1) % bucketsPerDoubling
  return 2 ** exponent * (1 + (step + 1) / bucketsPerDoubling)
}

export interface MetricSample {
  readonly row: MetricRow
  readonly labelValues: readonly string[]
  readonly metric: Counter | Gauge | Histogram
}

/**
 * All metrics of one broker or client. Ask for a metric once and keep it: looking it up costs a hash, adding to it an add.
 * Whoever asks again with the same row and labels gets the same one.
 */
export class Metrics {
  readonly #samples = new Map<string, MetricSample>()
  readonly #reads: { gauge: Gauge; read: () => number }[] = []

  counter(row: MetricRow, ...labelValues: string[]): Counter {
    assert(row.kind === 'counter', `${row.name} is a ${row.kind}`)
    return this.#find(row, labelValues, () => new Counter()) as Counter
  }

  gauge(row: MetricRow, ...labelValues: string[]): Gauge {
    assert(row.kind === 'gauge', `${row.name} is a ${row.kind}`)
    return this.#find(row, labelValues, () => new Gauge()) as Gauge
  }

  /** A gauge whose value is asked for when samples are taken. */
  gaugeOf(row: MetricRow, read: () => number, ...labelValues: string[]): void {
    this.#reads.push({ gauge: this.gauge(row, ...labelValues), read })
  }

  histogram(row: MetricRow, ...labelValues: string[]): Histogram {
    assert(row.kind === 'histogram', `${row.name} is a ${row.kind}`)
    return this.#find(row, labelValues, () => new Histogram()) as Histogram
  }

  /** All metrics in the order they were first asked for, with their values of now. */
  samples(): MetricSample[] {
    for (const { gauge, read } of this.#reads) gauge.set(read())
    return [...this.#samples.values()]
  }

  #find(row: MetricRow, labelValues: readonly string[], make: () => MetricSample['metric']): MetricSample['metric'] {
    assert(labelValues.length === (row.labels?.length ?? 0), `${row.name} has a value for each label`)
    const key = JSON.stringify([row.name, ...labelValues])
    const known = this.#samples.get(key)
    if (known !== undefined) {
      assert(known.row === row, `${row.name} is declared by one row`)
      return known.metric
    }
    const metric = make()
    this.#samples.set(key, { row, labelValues, metric })
    return metric
  }
}
