// IncrementalAlterConfigs: v0-1
//
// Behavior
// - Changes single configs of a topic, of this broker or (empty broker name) of all brokers, and leaves the others alone (KIP-339).
// - Lists can be appended to and subtracted from; what is stored, else the default, is the list that is meant.
// - The values go to ZooKeeper; brokers, this one too, follow through /config/changes. Answered when this one has (at most 500 ms later).
//
// Not done
// - Broker loggers, alter.config.policy.class.name, passwords (security), client metrics and groups (KRaft).
import { ErrorCode } from '@millrace/protocol/errors'
import {
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
  type AlterableConfig,
} from '@millrace/protocol/messages/44-incremental-alter-configs'
import type { ConfigValues } from '../metadata/config-store.ts'
import { brokerSettingRow } from '../settings/broker-settings.ts'
import type { SettingRow } from '../settings/setting.ts'
import { topicSettingRow } from '../settings/topic-overrides.ts'
import { alterConfigs, refuse, refuseNulls, type AlterConfigsServices } from './altered-configs.ts'
import { ResourceRefused, ResourceType } from './config-resource.ts'
import { defineHandler } from './handler.ts'

const Operation = { set: 0, delete: 1, append: 2, subtract: 3 } as const

export default defineHandler(
  incrementalAlterConfigsRequest,
  incrementalAlterConfigsResponse,
  [0, 1],
  async (request, _context, services: AlterConfigsServices) => ({
    throttleTimeMs: 0,
    responses: await alterConfigs(request, services, async ({ resourceType, configs }, read) => {
      const withoutValue = configs.filter(each => each.value === null && each.configOperation !== Operation.delete)
      refuseNulls(withoutValue.map(config => config.name))
      const rowOf = resourceType === ResourceType.topic ? topicSettingRow : brokerSettingRow
      return change(await read(), configs, rowOf)
    }),
  }),
)

function change(
  stored: ConfigValues,
  changes: readonly AlterableConfig[],
  rowOf: (name: string) => SettingRow | undefined,
): ConfigValues {
  const values = new Map(stored)
  for (const { name, configOperation, value } of changes) {
    switch (configOperation) {
      case Operation.set:
        values.set(name, value ?? '')
        break
      case Operation.delete:
        values.delete(name)
        break
      case Operation.append: {
        const list = listOf(name, values, rowOf(name), 'append')
        values.set(name, [...new Set([...list, ...elements(value ?? '')])].join(','))
        break
      }
      case Operation.subtract: {
        const less = elements(value ?? '')
        const list = listOf(name, values, rowOf(name), 'subtract')
        values.set(name, list.filter(element => !less.includes(element)).join(','))
        break
      }
      default:
        refuse(`Unknown operations type ${configOperation}`)
    }
  }
  return values
}

function listOf(name: string, values: ConfigValues, row: SettingRow | undefined, operation: string): string[] {
  if (row === undefined) throw new ResourceRefused(ErrorCode.INVALID_CONFIG, `Unknown config name: ${name}`)
  if (row.type !== 'LIST') {
    throw new ResourceRefused(
      ErrorCode.INVALID_CONFIG,
      `Config value ${operation} is not allowed for config key: ${name}`,
    )
  }
  return elements(values.get(name) ?? row.default ?? '')
}

const elements = (text: string): string[] =>
  text
    .split(',')
    .map(element => element.trim())
    .filter(element => element !== '')
