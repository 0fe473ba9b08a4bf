// What precedes the body of every request and response. ../header.ts knows which version goes with which API.
// The client id keeps its two-byte length in v2: a broker must read it before it knows whether it speaks the version.
import { int16, int32, message, NO_API, string, type Infer } from '../schema.ts'

export const requestHeader = message('RequestHeader', NO_API, '0-2', '2+', {
  requestApiKey: int16('0+'),
  requestApiVersion: int16('0+'),
  correlationId: int32('0+'),
  clientId: string('1+').nullable().neverCompact().ignorable(),
})
export type RequestHeader = Infer<typeof requestHeader>

export const responseHeader = message('ResponseHeader', NO_API, '0-1', '1+', {
  correlationId: int32('0+'),
})
export type ResponseHeader = Infer<typeof responseHeader>
