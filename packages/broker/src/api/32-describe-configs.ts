// DescribeConfigs: v0-4
//
// Behavior
// - Topics: any broker, from ZooKeeper. Brokers: only the broker itself; an empty name means what is set for all brokers.
// - Every value comes with its source and, if asked for, all its synonyms in order of precedence (KIP-226).
// - Values of passwords and of keys that nobody knows are null.
// Version notes
// - v0: isDefault instead of a source. v1: synonyms. v3: types and documentation (KIP-569).
//
// Not done
// - Broker loggers: Millrace has one log level for all, and it is not changed over the wire. Client metrics and groups need KRaft.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  describeConfigsRequest,
  describeConfigsResponse,
  type DescribeConfigsResource as Resource,
  type DescribeConfigsResult as Result,
} from '@millrace/protocol/messages/32-describe-configs'
import { topicEntity, type ConfigStore } from '../metadata/config-store.ts'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import type { LiveBrokerSettings } from '../settings/overrides.ts'
import { errorAnswer, requireTopicName, ResourceRefused, ResourceType, resourceTypeName } from './config-resource.ts'
import { describeBroker, describeClusterDefault, describeTopic, type DescribeOptions } from './described-configs.ts'
import { defineHandler } from './handler.ts'

export interface DescribeConfigsServices {
  readonly settings: Pick<LiveBrokerSettings, 'brokerId' | 'text' | 'given' | 'layers'>
  readonly metadata: Pick<MetadataCache, 'hasTopic'>
  readonly configStore: Pick<ConfigStore, 'read'>
}

export default defineHandler(
  describeConfigsRequest,
  describeConfigsResponse,
  [0, 4],
  async (request, { apiVersion }, services: DescribeConfigsServices) => ({
    throttleTimeMs: 0,
    results: await Promise.all(
      request.resources.map(resource => {
        const options = {
          keys: resource.configurationKeys,
          withSynonyms: request.includeSynonyms,
          withDocumentation: request.includeDocumentation,
          withIsDefault: apiVersion === 0,
        }
        return describe(resource, options, services)
      }),
    ),
  }),
)

async function describe(
  resource: Resource,
  options: DescribeOptions,
  services: DescribeConfigsServices,
): Promise<Result> {
  const { resourceType, resourceName } = resource
  try {
    const configs = await configsOf(resource, options, services)
    return { errorCode: ErrorCode.NONE, errorMessage: '', resourceType, resourceName, configs }
  } catch (error) {
    const answer = errorAnswer(error)
    if (answer === undefined) throw error
    return { ...answer, resourceType, resourceName, configs: [] }
  }
}

async function configsOf(
  { resourceType, resourceName: name }: Resource,
  options: DescribeOptions,
  { settings, metadata, configStore }: DescribeConfigsServices,
): Promise<Result['configs']> {
  switch (resourceType) {
    case ResourceType.topic:
      requireTopicName(name)
      if (!metadata.hasTopic(name)) throw new ResourceRefused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, '')
      return describeTopic(await configStore.read(topicEntity(name)), settings, options)
    case ResourceType.broker:
      if (name === '') return describeClusterDefault(settings, options)
      requireThisBroker(name, settings.brokerId)
      return describeBroker(settings, options)
    case ResourceType.brokerLogger:
      throw new ResourceRefused(ErrorCode.INVALID_REQUEST, 'Millrace has no loggers that can be set one by one')
    default:
      throw new ResourceRefused(
        ErrorCode.INVALID_REQUEST,
        `Unsupported resource type: ${resourceTypeName(resourceType)}`,
      )
  }
}

/** Brokers answer for themselves: `name` has to be this broker's id. */
function requireThisBroker(name: string, brokerId: number): void {
  if (!/^-?\d+$/.test(name)) {
    throw new ResourceRefused(ErrorCode.INVALID_REQUEST, `Broker id must be an integer, but it is: ${name}`)
  }
  if (Number(name) === brokerId) return
  throw new ResourceRefused(
    ErrorCode.INVALID_REQUEST,
    `Unexpected broker id, expected ${brokerId} or empty string, but received ${name}`,
  )
}
