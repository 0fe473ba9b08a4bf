import { Backoff } from '@millrace/runtime/backoff'
import type { Random } from '@millrace/runtime/ports'
import { Connection, type ConnectionOptions, type ConnectionPorts } from './connection.ts'

export interface ConnectorOptions {
  /** How long an attempt may take: `socket.connection.setup.timeout.ms`. */
  readonly setupTimeoutMs: number
  /** Longest time after failures: `socket.connection.setup.timeout.max.ms`; below the other one there is no growth. */
  readonly setupTimeoutMaxMs: number
  readonly ports: ConnectionPorts & { readonly random: Random }
}

/** Opens connections; how long each attempt may take is not the caller's to say. `signal` as of `Connection.open`. */
export type OpenConnection = (
  options: Omit<ConnectionOptions, 'connectTimeoutMs'>,
  signal?: AbortSignal,
) => Promise<Connection>

/**
 * Connects to the brokers of a cluster with a patience that doubles at each failure of an address, give or take a fifth, until
 * an attempt succeeds (KIP-601): a server that is slow because it is full gets time instead of more attempts.
 */
export class Connector {
  readonly #options: ConnectorOptions
  /** By address, those whose last attempt failed or is under way. */
  readonly #patience = new Map<string, Backoff>()

  constructor(options: ConnectorOptions) {
    this.#options = options
  }

  readonly open: OpenConnection = async (options, signal) => {
    const address = `${options.host}:${options.port}`
    const patience = this.#patienceWith(address)
    const connectTimeoutMs = patience.nextDelayMs()
    const connection = await Connection.open({ ...options, connectTimeoutMs }, this.#options.ports, signal)
    this.#patience.delete(address)
    return connection
  }

  #patienceWith(address: string): Backoff {
    const known = this.#patience.get(address)
    if (known !== undefined) return known
    const { setupTimeoutMs, setupTimeoutMaxMs, ports } = this.#options
    const maxMs = Math.max(setupTimeoutMs, setupTimeoutMaxMs)
    const patience = new Backoff({ initialMs: setupTimeoutMs, maxMs, random: ports.random })
    this.#patience.set(address, patience)
    return patience
  }
}
