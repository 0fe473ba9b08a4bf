// UpdateRaftVoter, v0: KRaft: a voter changes its endpoints (KIP-853).
import { array, int16, int32, message, string, struct, uint16, uuid, type Infer } from '../schema.ts'

export const updateRaftVoterRequest = message('UpdateRaftVoterRequest', 82, '0', '0+', {
  clusterId: string('0+').nullable(),
  currentLeaderEpoch: int32('0+'),
  voterId: int32('0+'),
  voterDirectoryId: uuid('0+'),
  listeners: array('0+', { name: string('0+'), host: string('0+'), port: uint16('0+') }),
  kRaftVersionFeature: struct('0+', {
    minSupportedVersion: int16('0+'),
    maxSupportedVersion: int16('0+'),
  }),
})
export type UpdateRaftVoterRequest = Infer<typeof updateRaftVoterRequest>
export type Listener = UpdateRaftVoterRequest['listeners'][number]
export type KRaftVersionFeature = UpdateRaftVoterRequest['kRaftVersionFeature']

export const updateRaftVoterResponse = message('UpdateRaftVoterResponse', 82, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  currentLeader: struct('0+', {
    leaderId: int32('0+').default(-1),
    leaderEpoch: int32('0+').default(-1),
    host: string('0+'),
    port: int32('0+'),
  }).tag(0),
})
export type UpdateRaftVoterResponse = Infer<typeof updateRaftVoterResponse>
export type CurrentLeader = UpdateRaftVoterResponse['currentLeader']
