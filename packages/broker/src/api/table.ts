import produce from './00-produce.ts'
import fetch from './01-fetch.ts'
import listOffsets from './02-list-offsets.ts'
import metadata from './03-metadata.ts'
import leaderAndIsr from './04-leader-and-isr.ts'
import stopReplica from './05-stop-replica.ts'
import updateMetadata from './06-update-metadata.ts'
import controlledShutdown from './07-controlled-shutdown.ts'
import offsetCommit from './08-offset-commit.ts'
import offsetFetch from './09-offset-fetch.ts'
import findCoordinator from './10-find-coordinator.ts'
import joinGroup from './11-join-group.ts'
import heartbeat from './12-heartbeat.ts'
import leaveGroup from './13-leave-group.ts'
import syncGroup from './14-sync-group.ts'
import describeGroups from './15-describe-groups.ts'
import listGroups from './16-list-groups.ts'
import apiVersions from './18-api-versions.ts'
import createTopics from './19-create-topics.ts'
import deleteTopics from './20-delete-topics.ts'
import deleteRecords from './21-delete-records.ts'
import initProducerId from './22-init-producer-id.ts'
import offsetForLeaderEpoch from './23-offset-for-leader-epoch.ts'
import describeConfigs, { type DescribeConfigsServices } from './32-describe-configs.ts'
import alterConfigs from './33-alter-configs.ts'
import alterReplicaLogDirs from './34-alter-replica-log-dirs.ts'
import describeLogDirs from './35-describe-log-dirs.ts'
import createPartitions from './37-create-partitions.ts'
import deleteGroups from './42-delete-groups.ts'
import electLeaders from './43-elect-leaders.ts'
import incrementalAlterConfigs from './44-incremental-alter-configs.ts'
import alterPartitionReassignments from './45-alter-partition-reassignments.ts'
import listPartitionReassignments from './46-list-partition-reassignments.ts'
import offsetDelete from './47-offset-delete.ts'
import alterPartition from './56-alter-partition.ts'
import describeCluster from './60-describe-cluster.ts'
import describeProducers from './61-describe-producers.ts'
import allocateProducerIds from './67-allocate-producer-ids.ts'
import type { AlterConfigsServices } from './altered-configs.ts'
import type { GroupServices } from './group-services.ts'
import type { Handler } from './handler.ts'
import type { AdvertisedApi, DataServices } from './services.ts'
import type { TopicServices } from './topic-services.ts'

/** What all handlers together need. */
export type Services = DataServices & DescribeConfigsServices & AlterConfigsServices & TopicServices & GroupServices

/** The APIs of the data path. */
export const dataHandlers: readonly Handler<DataServices>[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  leaderAndIsr,
  stopReplica,
  updateMetadata,
  apiVersions,
  deleteRecords,
  offsetForLeaderEpoch,
  alterReplicaLogDirs,
  describeLogDirs,
  describeCluster,
  describeProducers,
]

/** The APIs of consumer groups. */
export const groupHandlers: readonly Handler<GroupServices>[] = [
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  deleteGroups,
  offsetDelete,
]

/** Every API that is built. Adding a line here advertises it. */
export const handlers: readonly Handler<Services>[] = [
  ...dataHandlers,
  ...groupHandlers,
  controlledShutdown,
  createTopics,
  deleteTopics,
  initProducerId,
  describeConfigs,
  alterConfigs,
  createPartitions,
  electLeaders,
  incrementalAlterConfigs,
  alterPartitionReassignments,
  listPartitionReassignments,
  alterPartition,
  allocateProducerIds,
]

/** The table that dispatch looks up. Throws TypeError when two handlers share a key. */
export function handlerTable<S>(all: readonly Handler<S>[]): ReadonlyMap<number, Handler<S>> {
  const table = new Map(all.map(handler => [handler.apiKey, handler]))
  if (table.size !== all.length) throw new TypeError('two handlers share an API key')
  return table
}

/** What ApiVersions answers: read off the handlers, in order of their keys. */
export function advertisedApis(all: readonly Handler<never>[]): AdvertisedApi[] {
  return all
    .map(({ apiKey, versions: [minVersion, maxVersion] }) => ({ apiKey, minVersion, maxVersion }))
    .sort((a, b) => a.apiKey - b.apiKey)
}
