// A classic group in __consumer_offsets. Kafka 3.9 writes value v3. v1: rebalance timeout. v2: time of the current
// state. v3: static members (KIP-345). v4: flexible.
import { array, bytes, int32, int64, message, NO_API, string, type Infer } from '../schema.ts'

export const groupMetadataKey = message('GroupMetadataKey', NO_API, '2', 'none', {
  group: string('2'),
})
export type GroupMetadataKey = Infer<typeof groupMetadataKey>

const memberMetadata = {
  memberId: string('0+'),
  groupInstanceId: string('3+').nullByDefault().ignorable(),
  clientId: string('0+'),
  clientHost: string('0+'),
  rebalanceTimeout: int32('1+').default(-1).ignorable(),
  sessionTimeout: int32('0+'),
  subscription: bytes('0+'),
  assignment: bytes('0+'),
}

export const groupMetadataValue = message('GroupMetadataValue', NO_API, '0-4', '4+', {
  protocolType: string('0+'),
  generation: int32('0+'),
  protocol: string('0+').nullable(),
  leader: string('0+').nullable(),
  currentStateTimestamp: int64('2+').default(-1).ignorable(),
  members: array('0+', memberMetadata),
})
export type GroupMetadataValue = Infer<typeof groupMetadataValue>
export type MemberMetadata = GroupMetadataValue['members'][number]
