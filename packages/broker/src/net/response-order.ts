import type { Request } from '../api/request.ts'

/**
 * Requests of one connection that were started and whose answers have not left: answers leave in the order of their
 * requests, however their handlers finish. A queue over one array; the front is cut off in batches.
 */
export class ResponseOrder {
  private requests: Request[] = []
  private first = 0
  private serialCount = 0

  get size(): number {
    return this.requests.length - this.first
  }

  /** May a request of this kind start now? Anything may start alone; beside others only pipelined ones. */
  admits(isPipelined: boolean): boolean {
    return this.size === 0 || (isPipelined && this.serialCount === 0)
  }

  add(request: Request): void {
    this.requests.push(request)
    if (!request.isPipelined) this.serialCount++
  }

  /** The oldest request, if it has its answer. Takes it out. */
  takeAnswered(): Request | undefined {
    const request = this.requests[this.first]
    if (request === undefined || request.result === null) return undefined
    this.first++
    if (!request.isPipelined) this.serialCount--
    if (this.first === this.requests.length) {
      this.requests = []
      this.first = 0
    } else if (this.first >= 64) {
      this.requests.splice(0, this.first)
      this.first = 0
    }
    return request
  }

  /** Those without an answer, oldest first. */
  unanswered(): Request[] {
    return this.requests.slice(this.first).filter(({ result }) => result === null)
  }

  /** All of them, oldest first; none is left. */
  takeAll(): Request[] {
    const all = this.requests.slice(this.first)
    this.requests = []
    this.first = 0
    this.serialCount = 0
    return all
  }
}
