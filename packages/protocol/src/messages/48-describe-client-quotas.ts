// DescribeClientQuotas, v0-1: client quotas by entity (KIP-546).
// v1: flexible.
import { array, bool, float64, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const describeClientQuotasRequest = message('DescribeClientQuotasRequest', 48, '0-1', '1+', {
  components: array('0+', {
    entityType: string('0+'),
    matchType: int8('0+'),
    match: string('0+').nullable(),
  }),
  strict: bool('0+'),
})
export type DescribeClientQuotasRequest = Infer<typeof describeClientQuotasRequest>
export type ComponentData = DescribeClientQuotasRequest['components'][number]

export const describeClientQuotasResponse = message('DescribeClientQuotasResponse', 48, '0-1', '1+', {
  throttleTimeMs: int32('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+').nullable(),
  entries: array('0+', {
    entity: array('0+', { entityType: string('0+'), entityName: string('0+').nullable() }),
    values: array('0+', { key: string('0+'), value: float64('0+') }),
  }).nullable(),
})
export type DescribeClientQuotasResponse = Infer<typeof describeClientQuotasResponse>
export type EntryData = NonNullable<DescribeClientQuotasResponse['entries']>[number]
export type EntityData = EntryData['entity'][number]
export type ValueData = EntryData['values'][number]
