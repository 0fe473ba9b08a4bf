import type { Logger } from '@millrace/runtime/logger'
import type { Transport } from '@millrace/runtime/ports'

export interface AddressLimitsOptions {
  /** `max.connections.per.ip.overrides`: by address or host name. */
  readonly overrides: () => ReadonlyMap<string, number>
  readonly transport: Pick<Transport, 'resolve'>
  readonly logger: Logger
}

/**
 * How many connections some clients may have, by address: host names are looked up by `refresh`, as Kafka does at the start and
 * at each change. A name without an address has no limit of its own; that is warned of.
 */
export class AddressLimits {
  readonly #options: AddressLimitsOptions
  #byAddress: ReadonlyMap<string, number> = new Map()
  #refreshes = 0

  constructor(options: AddressLimitsOptions) {
    this.#options = options
  }

  get byAddress(): ReadonlyMap<string, number> {
    return this.#byAddress
  }

  /** Resolves when the overrides of this moment are in force, or newer ones are on their way. */
  async refresh(): Promise<void> {
    const refresh = ++this.#refreshes
    const { overrides, transport, logger } = this.#options
    const found = await Promise.all(
      [...overrides()].map(async ([host, most]) => {
        try {
          return (await transport.resolve(host)).map(address => [address, most] as const)
        } catch (error) {
          logger.warn('no address for a host of max.connections.per.ip.overrides', { host, error })
          return []
        }
      }),
    )
    if (refresh === this.#refreshes) this.#byAddress = new Map(found.flat())
  }
}
