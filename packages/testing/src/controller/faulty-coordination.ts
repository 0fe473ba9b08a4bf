import { CoordinationError } from '@millrace/zookeeper/coordination'
import type {
  Acl,
  Coordination,
  CreateOptions,
  Operation,
  OperationResult,
  ReadZnode,
  Session,
  SessionEvent,
  Stat,
  Watcher,
} from '@millrace/zookeeper/coordination'

export interface Faults {
  /** Called before each transaction, with its number (from 1): throws, or answers what becomes of it. */
  onTransaction(count: number): 'done' | 'answer-lost' | 'request-lost' | 'hangs'
}

/** A client whose transactions meet with what networks do: applied and not answered, or never sent; or with the end of the process. */
export class FaultyCoordination implements Coordination {
  readonly #client: Coordination
  readonly #faults: Faults
  #transactions = 0

  constructor(client: Coordination, faults: Faults) {
    this.#client = client
    this.#faults = faults
  }

  get transactions(): number {
    return this.#transactions
  }

  get session(): Session | null {
    return this.#client.session
  }

  get isConnected(): boolean {
    return this.#client.isConnected
  }

  async multi(operations: readonly Operation[]): Promise<OperationResult[]> {
    const fault = this.#faults.onTransaction(++this.#transactions)
    if (fault === 'hangs') return new Promise(() => {})
    if (fault === 'request-lost') {
      // A connection that is lost and found again takes its time: whoever tries at once must not spin.
      await this.#client.exists('/')
      throw new CoordinationError('NOT_CONNECTED')
    }
    const answer = await this.#client.multi(operations)
    if (fault === 'answer-lost') throw new CoordinationError('UNKNOWN_OUTCOME')
    return answer
  }

  connect(): Promise<void> {
    return this.#client.connect()
  }
  onSessionEvent(listener: (event: SessionEvent) => void | Promise<void>): () => void {
    return this.#client.onSessionEvent(listener)
  }
  create(path: string, data: Uint8Array | null, options?: CreateOptions): Promise<string> {
    return this.#client.create(path, data, options)
  }
  get(path: string, watcher?: Watcher): Promise<{ readonly data: Buffer; readonly stat: Stat }> {
    return this.#client.get(path, watcher)
  }
  getMany(paths: readonly string[]): Promise<(ReadZnode | null)[]> {
    return this.#client.getMany(paths)
  }
  exists(path: string, watcher?: Watcher): Promise<Stat | null> {
    return this.#client.exists(path, watcher)
  }
  set(path: string, data: Uint8Array | null, version: number): Promise<Stat> {
    return this.#client.set(path, data, version)
  }
  delete(path: string, version: number): Promise<void> {
    return this.#client.delete(path, version)
  }
  children(path: string, watcher?: Watcher): Promise<string[]> {
    return this.#client.children(path, watcher)
  }
  getAcl(path: string): Promise<{ readonly acl: readonly Acl[]; readonly stat: Stat }> {
    return this.#client.getAcl(path)
  }
  setAcl(path: string, acl: readonly Acl[], version: number): Promise<Stat> {
    return this.#client.setAcl(path, acl, version)
  }
  close(): Promise<void> {
    return this.#client.close()
  }
}
