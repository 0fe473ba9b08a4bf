import { silentLogger } from '@millrace/runtime/logger'
import type { FileSystem } from '@millrace/runtime/ports'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { SeededRandom } from './seeded-random.ts'
import { VirtualTime } from './virtual-time.ts'

/** A coordination tree in memory whose answers come, and whose sessions end, in virtual time. */
export class VirtualTree {
  readonly time = new VirtualTime()
  readonly random = new SeededRandom(1)
  readonly tree: EmbeddedTree

  constructor() {
    // Without a folder nothing asks for files.
    const world = { clock: this.time, timers: this.time, random: this.random, files: {} as FileSystem }
    this.tree = new EmbeddedTree({ world, logger: silentLogger })
  }

  /** A client with a session of its own. */
  async client(sessionTimeoutMs = 6000): Promise<EmbeddedClient> {
    const client = this.tree.client({ sessionTimeoutMs })
    await this.during(client.connect())
    return client
  }

  /** Lets the world go on until `work` is done; time moves only as far as it has to. Throws when an hour was not enough. */
  async during<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const settled = work.finally(() => {
      isDone = true
    })
    settled.catch(() => {}) // The caller gets it below.
    const endMs = this.time.monotonicMs() + 3_600_000
    for (let turn = 0; !isDone && turn < 5; turn++) await this.time.run()
    while (!isDone) {
      if (this.time.monotonicMs() > endMs)
        throw new Error('an hour has passed, and what was waited for has not happened')
      await this.time.run(1)
    }
    return settled
  }
}
