export { startCluster } from './cluster/cluster.ts'
export type { Cluster, ClusterBroker, ClusterOptions } from './cluster/cluster.ts'
