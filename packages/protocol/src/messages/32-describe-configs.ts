// DescribeConfigs, v0-4: configs of topics (resource type 2), brokers (4), broker loggers (8).
// v1: sources and synonyms (KIP-226). v3: types and documentation (KIP-569). v4: flexible.
import { array, bool, int16, int32, int8, message, string, type Infer } from '../schema.ts'

export const describeConfigsRequest = message('DescribeConfigsRequest', 32, '0-4', '4+', {
  resources: array('0+', {
    resourceType: int8('0+'),
    resourceName: string('0+'),
    configurationKeys: array('0+', string()).nullable(),
  }),
  includeSynonyms: bool('1+'),
  includeDocumentation: bool('3+'),
})
export type DescribeConfigsRequest = Infer<typeof describeConfigsRequest>
export type DescribeConfigsResource = DescribeConfigsRequest['resources'][number]

export const describeConfigsResponse = message('DescribeConfigsResponse', 32, '0-4', '4+', {
  throttleTimeMs: int32('0+'),
  results: array('0+', {
    errorCode: int16('0+'),
    errorMessage: string('0+').nullable(),
    resourceType: int8('0+'),
    resourceName: string('0+'),
    configs: array('0+', {
      name: string('0+'),
      value: string('0+').nullable(),
      readOnly: bool('0+'),
      isDefault: bool('0'),
      configSource: int8('1+').default(-1).ignorable(),
      isSensitive: bool('0+'),
      synonyms: array('1+', {
        name: string('1+'),
        value: string('1+').nullable(),
        source: int8('1+'),
      }).ignorable(),
      configType: int8('3+').ignorable(),
      documentation: string('3+').nullable().ignorable(),
    }),
  }),
})
export type DescribeConfigsResponse = Infer<typeof describeConfigsResponse>
export type DescribeConfigsResult = DescribeConfigsResponse['results'][number]
export type DescribeConfigsResourceResult = DescribeConfigsResult['configs'][number]
export type DescribeConfigsSynonym = DescribeConfigsResourceResult['synonyms'][number]
