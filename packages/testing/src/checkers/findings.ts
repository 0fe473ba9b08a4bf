/** `violation`: a promise was broken. `note`: allowed under these settings, counted apart. */
export interface AnomalyRow {
  readonly kind: 'violation' | 'note'
  readonly doc: string
}
export function row(kind: AnomalyRow['kind'], doc: string): AnomalyRow {
  return { kind, doc }
}

export interface Finding {
  readonly count: number
  /** The first few. */
  readonly examples: readonly Example[]
}
export type Example = Readonly<Record<string, unknown>>

const examplesMax = 5

/** Counts what the rules find and keeps the first examples of each anomaly of a table. */
export class FindingsOf<Name extends string> {
  private readonly rows: Readonly<Record<Name, AnomalyRow>>
  private readonly found = new Map<Name, { count: number; examples: Example[] }>()

  constructor(rows: Readonly<Record<Name, AnomalyRow>>) {
    this.rows = rows
  }

  add(anomaly: Name, example: Example, count = 1): void {
    const entry = this.found.get(anomaly) ?? { count: 0, examples: [] }
    this.found.set(anomaly, entry)
    entry.count += count
    if (entry.examples.length < examplesMax) entry.examples.push(example)
  }

  count(anomaly: Name): number {
    return this.found.get(anomaly)?.count ?? 0
  }

  /** Promises that were broken; empty when all is well. */
  get violations(): Partial<Record<Name, Finding>> {
    return this.ofKind('violation')
  }
  get notes(): Partial<Record<Name, Finding>> {
    return this.ofKind('note')
  }

  private ofKind(kind: AnomalyRow['kind']): Partial<Record<Name, Finding>> {
    const findings: Partial<Record<Name, Finding>> = {}
    for (const [anomaly, finding] of this.found) if (this.rows[anomaly].kind === kind) findings[anomaly] = finding
    return findings
  }
}
