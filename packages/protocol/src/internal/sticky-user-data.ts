// What the sticky assignors keep in the user data of a subscription, to find it again in the next rebalance (KIP-54, KIP-429).
// No version comes first: a v1 is a v0 with four bytes more.
import { codec } from '../codec.ts'
import { MalformedMessage } from '../malformed-message.ts'
import { Reader } from '../reader.ts'
import { array, int32, message, NO_API, string, type Infer } from '../schema.ts'
import { Writer } from '../writer.ts'

export const stickyAssignorUserData = message('StickyAssignorUserData', NO_API, '0-1', 'none', {
  previousAssignment: array('0+', { topic: string('0+'), partitions: array('0+', int32()) }),
  generation: int32('1+').default(-1).ignorable(),
})
export type StickyAssignorUserData = Infer<typeof stickyAssignorUserData>

export const cooperativeStickyAssignorUserData = message('CooperativeStickyAssignorUserData', NO_API, '0', 'none', {
  generation: int32('0+'),
})
export type CooperativeStickyAssignorUserData = Infer<typeof cooperativeStickyAssignorUserData>

/** Either version; the older one knows no generation (-1). Throws MalformedMessage. */
export function decodeStickyUserData(bytes: Buffer): StickyAssignorUserData {
  try {
    return codec(stickyAssignorUserData, 1).decode(new Reader(bytes))
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error
    return codec(stickyAssignorUserData, 0).decode(new Reader(bytes))
  }
}

export function encodeStickyUserData(value: StickyAssignorUserData): Buffer {
  const writer = new Writer()
  codec(stickyAssignorUserData, 1).encode(writer, value)
  return writer.finish()
}

/** Throws MalformedMessage. */
export function decodeCooperativeStickyUserData(bytes: Buffer): CooperativeStickyAssignorUserData {
  return codec(cooperativeStickyAssignorUserData, 0).decode(new Reader(bytes))
}

export function encodeCooperativeStickyUserData(value: CooperativeStickyAssignorUserData): Buffer {
  const writer = new Writer()
  codec(cooperativeStickyAssignorUserData, 0).encode(writer, value)
  return writer.finish()
}
