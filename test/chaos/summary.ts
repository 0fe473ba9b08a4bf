import { anomalies, type Anomaly } from '@millrace/testing/checkers/anomalies'
import { groupWorkAnomalies, type GroupWorkAnomaly } from '@millrace/testing/checkers/check-group-work'
import type { Finding } from '@millrace/testing/checkers/findings'
import type { Gap } from '@millrace/testing/checkers/availability'
import type { GroupWorkVerdict } from '../load/group-work.ts'
import type { Verdict } from '../load/verdict.ts'

/** What a run did and found; `--json` prints it as it is. */
export interface Summary {
  readonly seed: number
  readonly minutes: number
  segments: number
  /** Faults by kind. */
  readonly faults: Record<string, number>
  /** Chosen, but nobody was free for them. */
  skippedFaults: number
  acked: number
  /** With acks=1. */
  weakAcked: number
  /** Records read back at the end of each segment, from all replicas together. */
  readBack: number
  /** What members of the two groups processed, together, and how many commits were acknowledged to them and to groups without members. */
  processed: number
  committed: number
  membersKilled: number
  membersLeft: number
  readonly violations: Partial<Record<Anomaly | GroupWorkAnomaly, Finding>>
  readonly notes: Partial<Record<Anomaly, number>>
  /** Longest time without an acknowledgement (acks=all), by partition. */
  readonly longestUnavailableMs: Record<string, number>
  /** The longest of all segments, with the faults that were under way. */
  readonly longestGaps: {
    readonly gapMs: number
    readonly partition: number
    readonly segment: number
    readonly during: string
  }[]
  /** Why the run failed, apart from violations. */
  readonly failures: string[]
  readonly folder: string
}

export const emptySummary = (seed: number, folder: string): Summary => ({
  ...{ seed, folder, minutes: 0, segments: 0, skippedFaults: 0, acked: 0, weakAcked: 0, readBack: 0 },
  ...{ processed: 0, committed: 0, membersKilled: 0, membersLeft: 0 },
  ...{ faults: {}, violations: {}, notes: {}, longestUnavailableMs: {}, longestGaps: [], failures: [] },
})

const gapsShown = 5

export function addVerdict(summary: Summary, verdict: Verdict, duringOf: (gap: Gap) => string): void {
  summary.acked += verdict.ackedCount
  summary.weakAcked += verdict.weakAckedCount
  summary.readBack += verdict.readBackCount
  summary.failures.push(...verdict.troubles)
  Object.assign(summary.violations, verdict.findings.violations)
  for (const [anomaly, { count }] of Object.entries(verdict.findings.notes)) {
    summary.notes[anomaly as Anomaly] = (summary.notes[anomaly as Anomaly] ?? 0) + count
  }
  for (const gap of verdict.gaps) {
    const gapMs = Math.round(gap.gapMs)
    summary.longestUnavailableMs[gap.partition] = Math.max(summary.longestUnavailableMs[gap.partition] ?? 0, gapMs)
    summary.longestGaps.push({ gapMs, partition: gap.partition, segment: summary.segments, during: duringOf(gap) })
  }
  summary.longestGaps.sort((a, b) => b.gapMs - a.gapMs).splice(gapsShown)
}

export function addGroupVerdict(summary: Summary, verdict: GroupWorkVerdict): void {
  summary.processed += verdict.processedCount
  summary.committed += verdict.commitCount
  summary.membersKilled += verdict.killed
  summary.membersLeft += verdict.left
  Object.assign(summary.violations, verdict.findings.violations)
}

const docOf = (anomaly: string): string => ({ ...anomalies, ...groupWorkAnomalies })[anomaly as Anomaly].doc

export const isGood = ({ violations, failures }: Summary): boolean =>
  Object.keys(violations).length === 0 && failures.length === 0

export function showSummary(summary: Summary): string {
  const { faults, violations, notes, longestUnavailableMs, longestGaps, failures } = summary
  const total = Object.values(faults).reduce((sum, count) => sum + count, 0)
  const lines = [
    `seed ${summary.seed}, ${summary.minutes.toFixed(1)} minutes, ${summary.segments} segments`,
    `faults: ${total} (${summary.skippedFaults} more found nobody free)`,
    ...Object.entries(faults).map(([kind, count]) => `  ${String(count).padStart(5)} ${kind}`),
    `acknowledged with acks=all: ${summary.acked}; read back from all replicas: ${summary.readBack}`,
    `acknowledged with acks=1: ${summary.weakAcked}`,
    ...Object.entries(notes).map(([anomaly, count]) => `  ${String(count).padStart(5)} ${anomaly}: ${docOf(anomaly)}`),
    `groups: ${summary.processed} processed, ${summary.committed} commits acknowledged, ${summary.membersKilled} members killed, ${summary.membersLeft} left`,
    `longest time without an acknowledgement, by partition (ms): ${Object.values(longestUnavailableMs).join(' ')}`,
    ...longestGaps.map(gap => `  ${gap.gapMs} ms, partition ${gap.partition}, segment ${gap.segment}: ${gap.during}`),
    `violations: ${Object.keys(violations).length === 0 ? 'none' : ''}`,
    ...Object.entries(violations).flatMap(([anomaly, { count, examples }]) => [
      `  ${anomaly}: ${count} (${docOf(anomaly)})`,
      ...examples.map(example => `    ${JSON.stringify(example)}`),
    ]),
    ...failures.map(failure => `FAILED: ${failure}`),
  ]
  return lines.join('\n')
}
