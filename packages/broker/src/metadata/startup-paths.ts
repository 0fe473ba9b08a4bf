import type { Acl, Coordination } from '@millrace/zookeeper/coordination'
import { ensurePath } from './coordination.ts'

/** What every broker makes right after it has connected, in Kafka's order; all persistent and without data. */
export const startupPaths = [
  '/consumers',
  '/brokers/ids',
  '/brokers/topics',
  '/config/changes',
  '/admin/delete_topics',
  '/brokers/seqid',
  '/isr_change_notification',
  '/latest_producer_id_block',
  '/log_dir_event_notification',
  '/config/topics',
  '/config/clients',
  '/config/users',
  '/config/brokers',
  '/config/ips',
] as const

/** One after another, so that the tree grows in the same order as Kafka's. */
export async function createStartupPaths(coordination: Coordination, acl?: readonly Acl[]): Promise<void> {
  for (const path of startupPaths) await ensurePath(coordination, path, null, acl)
}
