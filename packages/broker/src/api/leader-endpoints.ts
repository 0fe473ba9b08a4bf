import type { NodeEndpoint } from '@millrace/protocol/messages/00-produce'
import type { MetadataCache } from '../metadata/metadata-cache.ts'

/** Where to go instead: leader and epoch of a partition, as answers to NOT_LEADER_OR_FOLLOWER carry them (KIP-951). */
export interface CurrentLeader {
  readonly leaderId: number
  readonly leaderEpoch: number
}

export const noLeader: CurrentLeader = Object.freeze({ leaderId: -1, leaderEpoch: -1 })

/** The leader as the controller last told us; -1 when it is not known. */
export function currentLeader(metadata: MetadataCache, topic: string, partition: number): CurrentLeader {
  const known = metadata.partition(topic, partition)
  return known === undefined ? noLeader : { leaderId: known.leader, leaderEpoch: known.leaderEpoch }
}

/** Adds the leader's endpoint on the listener that the request came in on, once per broker. */
export function addEndpoint(
  endpoints: NodeEndpoint[],
  leaderId: number,
  listener: string,
  metadata: MetadataCache,
): void {
  if (leaderId < 0 || endpoints.some(({ nodeId }) => nodeId === leaderId)) return
  const endpoint = metadata.endpoint(leaderId, listener)
  if (endpoint === undefined) return
  const rack = metadata.aliveBroker(leaderId)?.rack ?? null
  endpoints.push({ nodeId: leaderId, host: endpoint.host, port: endpoint.port, rack })
}
