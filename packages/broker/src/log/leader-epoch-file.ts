import { decodeLeaderEpochCheckpoint, encodeLeaderEpochCheckpoint } from '@millrace/protocol/storage/checkpoint'
import { leaderEpochCheckpointName } from '@millrace/protocol/storage/file-names'
import type { FileSystem } from '@millrace/runtime/ports'
import { LeaderEpochCache } from '../core/log/leader-epoch-cache.ts'
import { readWhole } from './write-fully.ts'

/** Throws MalformedFile. */
export function readLeaderEpochs(files: FileSystem, folder: string): LeaderEpochCache {
  return new LeaderEpochCache(decodeLeaderEpochCheckpoint(readWhole(files, `${folder}/${leaderEpochCheckpointName}`)))
}

/** Durable when it returns: followers truncate by what stands here. */
export function writeLeaderEpochs(files: FileSystem, folder: string, epochs: LeaderEpochCache): void {
  files.replaceFile(`${folder}/${leaderEpochCheckpointName}`, encodeLeaderEpochCheckpoint(epochs.entries))
}
