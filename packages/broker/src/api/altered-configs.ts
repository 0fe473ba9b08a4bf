import { ErrorCode } from '@millrace/protocol/errors'
import type { AlterConfigsResourceResponse as Response } from '@millrace/protocol/messages/33-alter-configs'
import { brokerEntity, topicEntity, type ConfigStore, type ConfigValues } from '../metadata/config-store.ts'
import type { ConfigChanges } from '../metadata/config-changes.ts'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import type { LiveBrokerSettings } from '../settings/overrides.ts'
import { InvalidTopicConfig, validateTopicOverrides } from '../settings/topic-overrides.ts'
import { InvalidSetting } from '../settings/value.ts'
import { tellBrokersMs } from './topic-outcome.ts'
import { errorAnswer, ResourceRefused, ResourceType, resourceTypeName } from './config-resource.ts'

/** What both requests that change configs need. */
export interface AlterConfigsServices {
  readonly settings: Pick<LiveBrokerSettings, 'brokerId' | 'validate'>
  readonly metadata: Pick<MetadataCache, 'hasTopic'>
  readonly configStore: Pick<ConfigStore, 'read' | 'write'>
  readonly configChanges: Pick<ConfigChanges, 'untilApplied'>
}

export interface ConfigResource<Change> {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly Change[]
}

/** How one of the requests makes new values of those that are stored; `read` asks for those. */
export type NewValues<Change> = (
  resource: ConfigResource<Change>,
  read: () => Promise<ConfigValues>,
) => Promise<ConfigValues>

/**
 * Changes the configs of each resource by itself: what is refused for one does not keep another from changing. With
 * `validateOnly` nothing is written. Answers in the order of the request, when this broker acts by what was written: whoever sets a
 * throttle and moves a replica then finds it in effect (decision 5).
 */
export async function alterConfigs<Change extends { readonly name: string }>(
  request: { readonly resources: readonly ConfigResource<Change>[]; readonly validateOnly: boolean },
  services: AlterConfigsServices,
  newValues: NewValues<Change>,
): Promise<Response[]> {
  const keyOf = (resource: ConfigResource<Change>): string => `${resource.resourceType}:${resource.resourceName}`
  const counts = Map.groupBy(request.resources, keyOf)
  const responses: Response[] = []
  let notification: string | null = null
  // One after another: every one is a read and a write, and the last writer of an entity wins.
  for (const resource of request.resources) {
    const { resourceType, resourceName } = resource
    try {
      if ((counts.get(keyOf(resource))?.length ?? 0) > 1) refuse('Each resource must appear at most once.')
      const names = resource.configs.map(config => config.name)
      if (new Set(names).size !== names.length) refuse('Error due to duplicate config keys')
      notification = (await alterOne(resource, request.validateOnly, services, newValues)) ?? notification
      responses.push({ errorCode: ErrorCode.NONE, errorMessage: null, resourceType, resourceName })
    } catch (error) {
      const answer = errorAnswer(error)
      if (answer === undefined) throw error
      responses.push({ ...answer, resourceType, resourceName })
    }
  }
  if (notification !== null) await services.configChanges.untilApplied(notification, tellBrokersMs)
  return responses
}

/** Null: nothing was written. Otherwise how the brokers hear of it. */
async function alterOne<Change>(
  resource: ConfigResource<Change>,
  validateOnly: boolean,
  { settings, metadata, configStore }: AlterConfigsServices,
  newValues: NewValues<Change>,
): Promise<string | null> {
  const { resourceType, resourceName: name } = resource
  let entity: string
  let validate: (values: ConfigValues) => void
  switch (resourceType) {
    case ResourceType.topic:
      if (name === '') refuse('Default topic resources are not allowed.')
      if (!metadata.hasTopic(name)) {
        throw new ResourceRefused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`)
      }
      entity = topicEntity(name)
      validate = values => validateTopic(name, values)
      break
    case ResourceType.broker:
      if (name !== '') requireThisBroker(name, settings.brokerId)
      entity = brokerEntity(name === '' ? null : settings.brokerId)
      validate = values => settings.validate(values, name !== '')
      break
    case ResourceType.brokerLogger:
      return refuse('Millrace has no loggers that can be set one by one')
    case ResourceType.clientMetrics:
    case ResourceType.group:
      return refuse(
        `AlterConfigs is only supported for topics and brokers, but resource type is ${resourceTypeName(resourceType)}`,
      )
    default:
      return refuse(`Unknown resource type ${resourceType}`)
  }
  const values = await newValues(resource, () => configStore.read(entity))
  validate(values)
  return validateOnly ? null : configStore.write(entity, values)
}

function validateTopic(topic: string, values: ConfigValues): void {
  try {
    validateTopicOverrides(values)
  } catch (error) {
    // Only a value that is wrong by itself: Kafka says of which resource.
    if (!(error instanceof InvalidTopicConfig && error.cause instanceof InvalidSetting)) throw error
    throw new InvalidTopicConfig(
      `Invalid config value for resource ConfigResource(type=TOPIC, name='${topic}'): ${error.message}`,
      { cause: error },
    )
  }
}

function requireThisBroker(name: string, brokerId: number): void {
  if (!/^-?\d+$/.test(name)) refuse(`Node id must be an integer, but it is: ${name}`)
  if (Number(name) !== brokerId) refuse(`Unexpected broker id, expected ${brokerId}, but received ${name}`)
}

export function refuse(message: string): never {
  throw new ResourceRefused(ErrorCode.INVALID_REQUEST, message)
}

export function refuseNulls(names: readonly string[]): void {
  if (names.length > 0) refuse(`Null value not supported for : ${names.join(', ')}`)
}
