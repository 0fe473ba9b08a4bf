import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BATCH_HEADER_SIZE, batchSizeAt, codecAt, recordCountAt } from '@millrace/protocol/records/record-batch'

export interface StoredBatch {
  readonly codec: number
  readonly recordCount: number
  readonly size: number
}

/** Every batch in the segments of one partition, as the first broker that hosts it has it: replicas are the same bytes. */
export function storedBatches(logDirs: readonly string[], topic: string, partition: number): StoredBatch[] {
  const directory = logDirs.map(folder => join(folder, `${topic}-${partition}`)).find(folder => existsSync(folder))
  if (directory === undefined) return []
  return readdirSync(directory)
    .filter(name => name.endsWith('.log'))
    .sort()
    .flatMap(name => batchesIn(readFileSync(join(directory, name))))
}

function batchesIn(bytes: Buffer): StoredBatch[] {
  const batches: StoredBatch[] = []
  for (let at = 0; at + BATCH_HEADER_SIZE <= bytes.length; at += batchSizeAt(bytes, at)) {
    batches.push({ codec: codecAt(bytes, at), recordCount: recordCountAt(bytes, at), size: batchSizeAt(bytes, at) })
  }
  return batches
}
