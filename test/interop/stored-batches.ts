import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BATCH_HEADER_SIZE, batchSizeAt, codecAt, recordCountAt } from '@millrace/protocol/records/record-batch'

export interface StoredBatch {
  readonly codec: number
  readonly recordCount: number
  readonly size: number
}

/** Every batch in the segments of one partition, over all log folders. */
export function storedBatches(logDirs: readonly string[], topic: string, partition: number): StoredBatch[] {
  return logDirs.flatMap(folder => {
    const directory = join(folder, `${topic}-${partition}`)
    let names: string[]
    try {
      names = readdirSync(directory)
    } catch {
      return [] // this broker does not host the partition
    }
    return names
      .filter(name => name.endsWith('.log'))
      .sort()
      .flatMap(name => {
        const bytes = readFileSync(join(directory, name))
        const batches: StoredBatch[] = []
        for (let at = 0; at + BATCH_HEADER_SIZE <= bytes.length; at += batchSizeAt(bytes, at)) {
          batches.push({
            codec: codecAt(bytes, at),
            recordCount: recordCountAt(bytes, at),
            size: batchSizeAt(bytes, at),
          })
        }
        return batches
      })
  })
}
