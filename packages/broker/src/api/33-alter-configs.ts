// AlterConfigs: v0-2
//
// Behavior
// - Replaces all that a topic, this broker or (empty broker name) all brokers have set: what the request does not name is removed.
// - Any broker changes topics and what holds for all brokers; a single broker is changed by itself.
// - The values go to ZooKeeper; brokers, this one too, follow through /config/changes. Answered when this one has (at most 500 ms later).
//
// Not done
// - alter.config.policy.class.name, passwords (security), client metrics and groups (KRaft).
import { alterConfigsRequest, alterConfigsResponse } from '@millrace/protocol/messages/33-alter-configs'
import { alterConfigs, refuseNulls, type AlterConfigsServices } from './altered-configs.ts'
import { defineHandler } from './handler.ts'

export default defineHandler(
  alterConfigsRequest,
  alterConfigsResponse,
  [0, 2],
  async (request, _context, services: AlterConfigsServices) => ({
    throttleTimeMs: 0,
    responses: await alterConfigs(request, services, async ({ configs }) => {
      refuseNulls(configs.filter(config => config.value === null).map(config => config.name))
      return new Map(configs.map(config => [config.name, config.value ?? '']))
    }),
  }),
)
