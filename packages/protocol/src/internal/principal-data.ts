// The principal inside an Envelope request (KIP-590).
import { bool, message, NO_API, string, type Infer } from '../schema.ts'

export const defaultPrincipalData = message('DefaultPrincipalData', NO_API, '0', '0+', {
  type: string('0+'),
  name: string('0+'),
  tokenAuthenticated: bool('0+'),
})
export type DefaultPrincipalData = Infer<typeof defaultPrincipalData>
