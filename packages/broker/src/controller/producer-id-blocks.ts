import { ErrorCode, errorName } from '@millrace/protocol/errors'
import {
  allocateProducerIdsRequest,
  allocateProducerIdsResponse,
} from '@millrace/protocol/messages/67-allocate-producer-ids'
import type { Logger } from '@millrace/runtime/logger'
import type { Timer, Timers } from '@millrace/runtime/ports'
import type { ControllerClient } from './controller-client.ts'

export interface ProducerIdBlocksOptions {
  readonly client: Pick<ControllerClient, 'request'>
  readonly brokerId: number
  readonly brokerEpoch: () => number
  readonly timers: Timers
  readonly logger: Logger
}

/** No producer id to be had now: the controller gives none. The client may ask again. */
export class ProducerIdsUnavailable extends Error {
  override readonly name = 'ProducerIdsUnavailable'
}

interface Block {
  next: number
  readonly end: number
  readonly count: number
}

interface Waiter {
  readonly resolve: (producerId: number) => void
  readonly reject: (error: Error) => void
  readonly timer: Timer
}

/** As Kafka: the next block is asked for when so much of this one is used. */
const prefetchAt = 0.9
const retryBackoffMs = 50
/** How long a producer may wait for the controller; then it is told to ask again. */
const waitMs = 2_000
const mostWaiters = 10_000

/**
 * Hands out producer ids, each once in the life of the cluster: out of blocks of a thousand that the controller gives to one
 * broker each. What is left of a block when the broker stops is never used.
 */
export class ProducerIdBlocks {
  readonly #options: ProducerIdBlocksOptions
  #current: Block | null = null
  #next: Block | null = null
  #isAsking = false
  #isClosed = false
  #retry: Timer | null = null
  #waiters: Waiter[] = []

  constructor(options: ProducerIdBlocksOptions) {
    this.#options = options
  }

  /** Throws ProducerIdsUnavailable. */
  next(): Promise<number> {
    const producerId = this.#take()
    if (producerId !== null) return Promise.resolve(producerId)
    if (this.#isClosed || this.#waiters.length >= mostWaiters) {
      return Promise.reject(new ProducerIdsUnavailable('too many producers wait for an id'))
    }
    this.#ask()
    return new Promise((resolve, reject) => {
      const timer = this.#options.timers.after(waitMs, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(new ProducerIdsUnavailable('the controller gave no producer ids in time'))
      })
      const waiter = { resolve, reject, timer }
      this.#waiters.push(waiter)
    })
  }

  close(): void {
    this.#isClosed = true
    this.#retry?.cancel()
    for (const { reject, timer } of this.#waiters.splice(0)) {
      timer.cancel()
      reject(new ProducerIdsUnavailable('the broker stops'))
    }
  }

  #take(): number | null {
    if (this.#current === null || this.#current.next === this.#current.end) {
      this.#current = this.#next
      this.#next = null
    }
    const block = this.#current
    if (block === null) return null
    const producerId = block.next++
    const used = 1 - (block.end - block.next) / block.count
    if (used >= prefetchAt && this.#next === null) this.#ask()
    return producerId
  }

  #ask(): void {
    if (this.#isAsking || this.#isClosed || this.#retry !== null || this.#next !== null) return
    this.#isAsking = true
    void this.#fetchBlock().finally(() => {
      this.#isAsking = false
      this.#serve()
    })
  }

  async #fetchBlock(): Promise<void> {
    const { client, brokerId, brokerEpoch, logger } = this.#options
    try {
      const answer = await client.request(allocateProducerIdsRequest, allocateProducerIdsResponse, {
        brokerId,
        brokerEpoch: brokerEpoch(),
      })
      if (answer.errorCode !== ErrorCode.NONE || answer.producerIdLen <= 0) {
        logger.debug('no producer ids from the controller', { error: errorName(answer.errorCode) })
        return this.#askLater()
      }
      const { producerIdStart: start, producerIdLen: count } = answer
      this.#next = { next: start, end: start + count, count }
    } catch (error) {
      logger.debug('no producer ids from the controller', { error })
      this.#askLater()
    }
  }

  #askLater(): void {
    if (this.#isClosed) return
    this.#retry = this.#options.timers.after(retryBackoffMs, () => {
      this.#retry = null
      if (this.#waiters.length > 0 || this.#current !== null) this.#ask()
    })
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      const producerId = this.#take()
      if (producerId === null) return this.#ask()
      const waiter = this.#waiters.shift()!
      waiter.timer.cancel()
      waiter.resolve(producerId)
    }
  }
}
