// AddRaftVoter, v0: KRaft: adds a voter (KIP-853).
import { array, int16, int32, message, string, uint16, uuid, type Infer } from '../schema.ts'

export const addRaftVoterRequest = message('AddRaftVoterRequest', 80, '0', '0+', {
  clusterId: string('0+').nullable(),
  timeoutMs: int32('0+'),
  voterId: int32('0+'),
  voterDirectoryId: uuid('0+'),
  listeners: array('0+', { name: string('0+'), host: string('0+'), port: uint16('0+') }),
})
export type AddRaftVoterRequest = Infer<typeof addRaftVoterRequest>
export type Listener = AddRaftVoterRequest['listeners'][number]

export const addRaftVoterResponse = message('AddRaftVoterResponse', 80, '0', '0+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable().ignorable(),
})
export type AddRaftVoterResponse = Infer<typeof addRaftVoterResponse>
