// RemoveRaftVoter, v0: KRaft: removes a voter (KIP-853).
import { int16, int32, message, string, uuid, type Infer } from '../schema.ts'

export const removeRaftVoterRequest = message('RemoveRaftVoterRequest', 81, '0', '0+', {
  clusterId: string('0+').nullable(),
  voterId: int32('0+'),
  voterDirectoryId: uuid('0+'),
})
export type RemoveRaftVoterRequest = Infer<typeof removeRaftVoterRequest>

export const removeRaftVoterResponse = message('RemoveRaftVoterResponse', 81, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable().ignorable(),
})
export type RemoveRaftVoterResponse = Infer<typeof removeRaftVoterResponse>
