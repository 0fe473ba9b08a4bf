import type { Logger } from '@millrace/runtime/logger'
import type { World } from '@millrace/runtime/ports'
import type { Coordination, Credential } from '../coordination.ts'
import { parseConnectString } from './connect-string.ts'
import { EnsembleClient } from './ensemble-client.ts'
import type { SessionKey } from './session-key.ts'

export interface EnsembleOptions {
  /** `host:port,host:port/chroot`; IPv6 addresses in brackets. The chroot is created at `connect` when it is missing. */
  readonly servers: string
  /** As asked for; the server may answer another (`session.timeoutMs`). */
  readonly sessionTimeoutMs: number
  /** How long `connect` may take. */
  readonly connectionTimeoutMs: number
  readonly world: Pick<World, 'clock' | 'timers' | 'random'>
  readonly logger: Logger
  readonly auth?: readonly Credential[]
  /** Requests that may wait for their answers at once; more wait for their turn. Default 1000. */
  readonly requestsInFlightMax?: number
  /**
   * A session to take over, with its ephemeral znodes: that of a process that ended a moment ago. When it is gone, a new
   * one begins: compare `session.id`.
   */
  readonly previousSession?: SessionKey
}

/** A client of a ZooKeeper ensemble. Throws BAD_ARGUMENTS for a bad connect string. */
export function ensembleCoordination(options: EnsembleOptions): Coordination {
  const { servers, chroot } = parseConnectString(options.servers)
  return new EnsembleClient({
    ...options,
    servers,
    chroot,
    auth: options.auth ?? [],
    requestsInFlightMax: options.requestsInFlightMax ?? 1000,
    previousSession: options.previousSession ?? null,
  })
}
