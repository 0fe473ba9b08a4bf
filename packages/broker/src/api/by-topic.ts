/** Rows of partitions as most answers want them: grouped by topic, both in the order in which they came. */
export function byTopic<Row extends { readonly topic: string }>(rows: readonly Row[]): [topic: string, rows: Row[]][] {
  const topics = new Map<string, Row[]>()
  for (const row of rows) {
    const listed = topics.get(row.topic)
    if (listed === undefined) topics.set(row.topic, [row])
    else listed.push(row)
  }
  return [...topics]
}
