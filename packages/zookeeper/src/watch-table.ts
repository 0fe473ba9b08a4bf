import { WatchType } from './coordination.ts'
import type { Watcher, WatchEvent } from './coordination.ts'

/** The kinds that ZooKeeper keeps apart: set by reading data, by asking for a missing znode, by listing children. */
export const WatchKind = { data: 'data', missing: 'missing', children: 'children' } as const
export type WatchKind = (typeof WatchKind)[keyof typeof WatchKind]

/**
 * The watchers of one client, by kind and path. The server knows only that somebody watches; who is told stands here.
 * The same function registered twice for one kind and path is called once, as in ZooKeeper's own client.
 */
export class WatchTable {
  readonly #watchers = {
    data: new Map<string, Set<Watcher>>(),
    missing: new Map<string, Set<Watcher>>(),
    children: new Map<string, Set<Watcher>>(),
  }

  add(kind: WatchKind, path: string, watcher: Watcher): void {
    const watchers = this.#watchers[kind].get(path)
    if (watchers === undefined) this.#watchers[kind].set(path, new Set([watcher]))
    else watchers.add(watcher)
  }

  /** Takes the watchers that `event` uses up. A watcher of data and children hears of a deletion once. */
  take(event: WatchEvent): Set<Watcher> {
    const taken = new Set<Watcher>()
    for (const kind of kindsOf[event.type]) {
      const watchers = this.#watchers[kind].get(event.path)
      if (watchers === undefined) continue
      this.#watchers[kind].delete(event.path)
      for (const watcher of watchers) taken.add(watcher)
    }
    return taken
  }

  has(event: WatchEvent): boolean {
    return kindsOf[event.type].some(kind => this.#watchers[kind].has(event.path))
  }

  paths(kind: WatchKind): string[] {
    return [...this.#watchers[kind].keys()]
  }

  get size(): number {
    return this.#watchers.data.size + this.#watchers.missing.size + this.#watchers.children.size
  }

  clear(): void {
    for (const watchers of Object.values(this.#watchers)) watchers.clear()
  }
}

const kindsOf: Readonly<Record<WatchType, readonly WatchKind[]>> = {
  [WatchType.created]: ['data', 'missing'],
  [WatchType.dataChanged]: ['data', 'missing'],
  [WatchType.deleted]: ['data', 'missing', 'children'],
  [WatchType.childrenChanged]: ['children'],
}
