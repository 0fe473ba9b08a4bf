import { readSessionFile } from '@millrace/broker/metadata/session-file'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { endSession } from '@millrace/zookeeper/zookeeper/end-session'
import type { SessionKey } from '@millrace/zookeeper/zookeeper/session-key'
import type { BrokerProcess } from './broker-process.ts'

/** The session that the broker has in the ensemble at `servers`; null: it has none. */
export function sessionOf(broker: BrokerProcess, servers: string): SessionKey | null {
  const { files } = nodeWorld()
  const sessions = broker.logDirs.map(directory => readSessionFile(files, directory, servers))
  return sessions.find(each => each !== null) ?? null
}

/** Closes the session of a broker that lives: what ZooKeeper does when it has not heard from it. False when it was over. Rejects when no server answers. */
export function expireSession(servers: string, session: SessionKey, connectionTimeoutMs: number): Promise<boolean> {
  const options = { servers, sessionTimeoutMs: 4000, connectionTimeoutMs, requestsInFlightMax: 10 }
  return endSession({ ...options, world: nodeWorld(), logger: silentLogger }, session)
}
