import type { ControlRequest } from '../core/controller/control-request.ts'
import type { BrokerAddress, RegisteredBroker } from '../core/controller/controller-state.ts'
import { BrokerChannel, type BrokerChannelOptions } from './broker-channel.ts'

export interface BrokerChannelsOptions extends Omit<BrokerChannelOptions, 'brokerId' | 'brokerEpoch' | 'address'> {
  /** Listener that control requests go to: `control.plane.listener.name`, else the one between brokers. */
  readonly listener: string
}

/** A channel for each incarnation of a broker that the controller knows: keyed by id and epoch, dropped with it. */
export class BrokerChannels {
  readonly #options: BrokerChannelsOptions
  readonly #channels = new Map<number, BrokerChannel>()
  #brokers: ReadonlyMap<number, RegisteredBroker> = new Map()

  constructor(options: BrokerChannelsOptions) {
    this.#options = options
  }

  /** Opens and closes channels so that there is one for each of `brokers`. */
  follow(brokers: ReadonlyMap<number, RegisteredBroker>): void {
    this.#brokers = new Map(brokers)
    for (const [id, channel] of this.#channels) {
      if (brokers.get(id)?.epoch === channel.brokerEpoch) continue
      channel.close()
      this.#channels.delete(id)
    }
  }

  /** Queues each request behind the earlier ones of its broker. What is meant for an incarnation that is gone is dropped. */
  send(requests: readonly ControlRequest[]): void {
    for (const request of requests) this.#channelOf(request)?.send(request)
  }

  get waiting(): number {
    let waiting = 0
    for (const channel of this.#channels.values()) waiting += channel.waiting
    return waiting
  }

  /** Resolves when every broker has answered all that was sent. */
  async idle(): Promise<void> {
    await Promise.all([...this.#channels.values()].map(channel => channel.idle()))
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close()
    this.#channels.clear()
    this.#brokers = new Map()
  }

  #channelOf({ brokerId, brokerEpoch }: ControlRequest): BrokerChannel | undefined {
    if (this.#brokers.get(brokerId)?.epoch !== brokerEpoch) return undefined
    const known = this.#channels.get(brokerId)
    if (known !== undefined) return known
    const address = (): BrokerAddress | undefined =>
      this.#brokers.get(brokerId)?.endpoints.find(one => one.listener === this.#options.listener)
    const channel = new BrokerChannel({ ...this.#options, brokerId, brokerEpoch, address })
    this.#channels.set(brokerId, channel)
    return channel
  }
}
