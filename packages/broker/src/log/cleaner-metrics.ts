import type { Counter, Gauge, Histogram, MetricRow, Metrics } from '@millrace/runtime/metrics'

const rows = {
  runs: {
    kind: 'counter',
    name: 'log_cleaner_runs_total',
    unit: 'compactions',
    help: 'Compactions that came to their end.',
  },
  failures: {
    kind: 'counter',
    name: 'log_cleaner_failures_total',
    unit: 'compactions',
    help: 'Compactions that failed: their partitions are not compacted any more.',
  },
  uncleanablePartitions: {
    kind: 'gauge',
    name: 'log_cleaner_uncleanable_partitions',
    unit: 'partitions',
    help: 'Partitions that are not compacted because a compaction of them failed. Anything above 0 needs an operator.',
  },
  readBytes: {
    kind: 'counter',
    name: 'log_cleaner_read_bytes_total',
    unit: 'bytes',
    help: 'Read by compactions, the dirty part twice.',
  },
  writtenBytes: {
    kind: 'counter',
    name: 'log_cleaner_written_bytes_total',
    unit: 'bytes',
    help: 'Written by compactions.',
  },
  durationMs: {
    kind: 'histogram',
    name: 'log_cleaner_run_duration_ms',
    unit: 'ms',
    help: 'From the start of a compaction to its end.',
  },
  maxDirtyRatio: {
    kind: 'gauge',
    name: 'log_cleaner_max_dirty_ratio',
    unit: '1',
    help: 'Of the dirtiest log, when it was looked for last.',
  },
  mapUtilization: {
    kind: 'gauge',
    name: 'log_cleaner_map_utilization',
    unit: '1',
    help: 'How full the map of keys got in the last compaction; 1 means that it takes more than one to clean the log.',
  },
} as const satisfies Record<string, MetricRow>

/** What compaction counts. */
export class CleanerMetrics {
  readonly runs: Counter
  readonly failures: Counter
  readonly uncleanablePartitions: Gauge
  readonly readBytes: Counter
  readonly writtenBytes: Counter
  readonly durationMs: Histogram
  readonly maxDirtyRatio: Gauge
  readonly mapUtilization: Gauge

  constructor(metrics: Metrics) {
    this.runs = metrics.counter(rows.runs)
    this.failures = metrics.counter(rows.failures)
    this.uncleanablePartitions = metrics.gauge(rows.uncleanablePartitions)
    this.readBytes = metrics.counter(rows.readBytes)
    this.writtenBytes = metrics.counter(rows.writtenBytes)
    this.durationMs = metrics.histogram(rows.durationMs)
    this.maxDirtyRatio = metrics.gauge(rows.maxDirtyRatio)
    this.mapUtilization = metrics.gauge(rows.mapUtilization)
  }
}
