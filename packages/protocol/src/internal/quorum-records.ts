// Control records of a KRaft log and its snapshots (KIP-595, KIP-630, KIP-853). Clusters with ZooKeeper have none;
// tools may meet them.
import { array, int16, int32, int64, message, NO_API, string, struct, uint16, uuid, type Infer } from '../schema.ts'

const voter = { voterId: int32('0+'), voterDirectoryId: uuid('1+') }

export const leaderChangeMessage = message('LeaderChangeMessage', NO_API, '0-1', '0+', {
  version: int16('0+'),
  leaderId: int32('0+'),
  voters: array('0+', voter),
  grantingVoters: array('0+', voter),
})
export type LeaderChangeMessage = Infer<typeof leaderChangeMessage>
export type LeaderChangeMessageVoter = LeaderChangeMessage['voters'][number]

export const snapshotHeaderRecord = message('SnapshotHeaderRecord', NO_API, '0', '0+', {
  version: int16('0+'),
  lastContainedLogTimestamp: int64('0+'),
})
export type SnapshotHeaderRecord = Infer<typeof snapshotHeaderRecord>

export const snapshotFooterRecord = message('SnapshotFooterRecord', NO_API, '0', '0+', {
  version: int16('0+'),
})
export type SnapshotFooterRecord = Infer<typeof snapshotFooterRecord>

export const kRaftVersionRecord = message('KRaftVersionRecord', NO_API, '0', '0+', {
  version: int16('0+'),
  kRaftVersion: int16('0+'),
})
export type KRaftVersionRecord = Infer<typeof kRaftVersionRecord>

export const votersRecord = message('VotersRecord', NO_API, '0', '0+', {
  version: int16('0+'),
  voters: array('0+', {
    voterId: int32('0+'),
    voterDirectoryId: uuid('0+'),
    endpoints: array('0+', { name: string('0+'), host: string('0+'), port: uint16('0+') }),
    kRaftVersionFeature: struct('0+', {
      minSupportedVersion: int16('0+'),
      maxSupportedVersion: int16('0+'),
    }),
  }),
})
export type VotersRecord = Infer<typeof votersRecord>
export type VotersRecordVoter = VotersRecord['voters'][number]
export type Endpoint = VotersRecordVoter['endpoints'][number]
export type KRaftVersionFeature = VotersRecordVoter['kRaftVersionFeature']
