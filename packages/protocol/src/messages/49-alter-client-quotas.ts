// AlterClientQuotas, v0-1: changes client quotas (KIP-546).
// v1: flexible.
import { array, bool, float64, int16, int32, message, string, type Infer } from '../schema.ts'

export const alterClientQuotasRequest = message('AlterClientQuotasRequest', 49, '0-1', '1+', {
  entries: array('0+', {
    entity: array('0+', { entityType: string('0+'), entityName: string('0+').nullable() }),
    ops: array('0+', { key: string('0+'), value: float64('0+'), remove: bool('0+') }),
  }),
  validateOnly: bool('0+'),
})
export type AlterClientQuotasRequest = Infer<typeof alterClientQuotasRequest>
export type AlterClientQuotasRequestEntryData = AlterClientQuotasRequest['entries'][number]
export type AlterClientQuotasRequestEntityData = AlterClientQuotasRequestEntryData['entity'][number]
export type OpData = AlterClientQuotasRequestEntryData['ops'][number]

export const alterClientQuotasResponse = message('AlterClientQuotasResponse', 49, '0-1', '1+', {
  throttleTimeMs: int32('0+'),
  entries: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
    entity: array('0+', { entityType: string('0+'), entityName: string('0+').nullable() }),
  }),
})
export type AlterClientQuotasResponse = Infer<typeof alterClientQuotasResponse>
export type AlterClientQuotasResponseEntryData = AlterClientQuotasResponse['entries'][number]
export type AlterClientQuotasResponseEntityData = AlterClientQuotasResponseEntryData['entity'][number]
