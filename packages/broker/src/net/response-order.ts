import type { Request } from '../api/request.ts'

/**
 * Requests of one connection that were started and whose answers have not left: answers leave in the order of their
 * requests, however their handlers finish. A list through the requests themselves: nothing is allocated per request.
 */
export class ResponseOrder {
  private first: Request | null = null
  private last: Request | null = null
  private count = 0
  private serialCount = 0

  get size(): number {
    return this.count
  }

  /** May a request of this kind start now? Anything may start alone; beside others only pipelined ones. */
  admits(isPipelined: boolean): boolean {
    return this.count === 0 || (isPipelined && this.serialCount === 0)
  }

  add(request: Request): void {
    if (this.last === null) this.first = request
    else this.last.next = request
    this.last = request
    this.count++
    if (!request.isPipelined) this.serialCount++
  }

  /** The oldest request, if it has its answer. Takes it out. */
  takeAnswered(): Request | null {
    return this.first === null || this.first.result === null ? null : this.take(this.first)
  }

  /** Those without an answer, oldest first. */
  unanswered(): Request[] {
    const found: Request[] = []
    for (let request = this.first; request !== null; request = request.next) {
      if (request.result === null) found.push(request)
    }
    return found
  }

  /** All of them, oldest first; none is left. */
  takeAll(): Request[] {
    const all: Request[] = []
    while (this.first !== null) all.push(this.take(this.first))
    return all
  }

  private take(request: Request): Request {
    this.first = request.next
    if (this.first === null) this.last = null
    request.next = null
    this.count--
    if (!request.isPipelined) this.serialCount--
    return request
  }
}
