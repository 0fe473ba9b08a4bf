import { decodeLeaderEpochCheckpoint, encodeLeaderEpochCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { leaderEpochCheckpointName } from '@millrace/protocol/storage/file-names'
import type { FileSystem } from '@millrace/runtime/ports'
import { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import { replaceUnsynced } from './replace-file.ts'
import { readWhole } from './write-fully.ts'

/** Throws MalformedFile. */
export function readLeaderEpochs(files: FileSystem, folder: string): LeaderEpochCache {
  return new LeaderEpochCache(decodeLeaderEpochCheckpoint(readWhole(files, `${folder}/${leaderEpochCheckpointName}`)))
}

/**
 * Safe from a power cut with the next flush only: until then a start finds every epoch that has batches again in those batches, because it
 * checks all segments from the recovery point on.
 */
export function writeLeaderEpochs(files: FileSystem, folder: string, epochs: LeaderEpochCache): void {
  replaceUnsynced(files, `${folder}/${leaderEpochCheckpointName}`, encodeLeaderEpochCheckpoint(epochs.entries))
}
