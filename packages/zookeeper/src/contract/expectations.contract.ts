import { expect } from '@jest/globals'
import { CoordinationError } from '../coordination.ts'
import type { Coordination, CoordinationErrorCode, SessionEvent, Stat } from '../coordination.ts'

/** What arrives, in order; `next` waits for it. */
export class Queue<T> {
  #items: T[] = []
  #waiters: ((item: T) => void)[] = []

  readonly push = (item: T): void => {
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#items.push(item)
    else waiter(item)
  }

  next(): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift()!)
    return new Promise(resolve => this.#waiters.push(resolve))
  }

  async take(count: number): Promise<T[]> {
    const items: T[] = []
    while (items.length < count) items.push(await this.next())
    return items
  }

  async until(isIt: (item: T) => boolean): Promise<T> {
    for (;;) {
      const item = await this.next()
      if (isIt(item)) return item
    }
  }

  /** What arrived and nobody took. */
  all(): readonly T[] {
    return this.#items
  }

  get waiting(): number {
    return this.#items.length
  }
}

export function listen(zk: Coordination): Queue<SessionEvent> {
  const events = new Queue<SessionEvent>()
  zk.onSessionEvent(events.push)
  return events
}

export async function expectError(
  promise: Promise<unknown>,
  code: CoordinationErrorCode,
  path?: string,
): Promise<CoordinationError> {
  const error = await promise.then(
    value => ({ resolved: value }),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CoordinationError)
  expect(error).toMatchObject(path === undefined ? { code } : { code, path })
  return error as CoordinationError
}

export async function createAll(zk: Coordination, ...paths: string[]): Promise<void> {
  for (const path of paths) await zk.create(path, null)
}

export async function statOf(zk: Coordination, path: string): Promise<Stat> {
  const stat = await zk.exists(path)
  if (stat === null) throw new Error(`${path} is missing`)
  return stat
}

/** Everything below the chroot. */
export async function snapshotOf(zk: Coordination, path = '/'): Promise<unknown> {
  const [{ data, stat }, names] = await Promise.all([zk.get(path), zk.children(path)])
  const children = await Promise.all(names.map(name => snapshotOf(zk, path === '/' ? `/${name}` : `${path}/${name}`)))
  return { path, data: data.toString('hex'), stat, children }
}

export function bytes(text: string): Buffer {
  return Buffer.from(text)
}
