import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A foreign program: where it is, or why it is missing and what would help. */
export type Oracle =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly reason: string; readonly command: string }
export interface Oracles {
  /** A folder of jars: Apache Kafka 3.9.1, its tools, and the ZooKeeper 3.8.4 that comes with it. */
  readonly kafka: Oracle
  readonly kcat: Oracle
  /** A Python that can import confluent_kafka. */
  readonly confluent: Oracle
}

const cacheFolder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace', 'oracles')
const notSetUp: Oracle = { ok: false, reason: 'oracles are not set up', command: 'npm test' }

export function oracles(): Oracles {
  try {
    return JSON.parse(readFileSync(join(cacheFolder, 'oracles.json'), 'utf8')) as Oracles
  } catch {
    return { kafka: notSetUp, kcat: notSetUp, confluent: notSetUp }
  }
}

/** The path of an oracle that `describeWith` has already made sure of. */
export function oraclePath(name: keyof Oracles): string {
  const oracle = oracles()[name]
  if (!oracle.ok) throw new Error(`${name}: ${oracle.reason}; try: ${oracle.command}`)
  return oracle.path
}
