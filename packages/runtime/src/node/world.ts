import { BufferPool } from '../buffer-pool.ts'
import type { World } from '../ports.ts'
import { nodeClock } from './clock.ts'
import { NodeFiles } from './files.ts'
import { NodeRandom } from './random.ts'
import { NodeTimers } from './timers.ts'
import { NodeTransport } from './transport.ts'
import { Turn } from './turn.ts'

export interface NodeWorldOptions {
  /** Shared with whoever else wants pooled buffers (log reads); by default the transport's own. */
  readonly bufferPool?: BufferPool
  /** `data`: receive by 'data' events instead of straight into our buffers. For tests; 3 to 6 times slower on large frames. */
  readonly receive?: 'direct' | 'data'
  /** How long a connection that is being closed may take to send what is queued and to see the peer end too. Default 5 s. */
  readonly closeTimeoutMs?: number
}

/** The real world, by Node. Brokers that share a process may share one or have one each. */
export function nodeWorld(options: NodeWorldOptions = {}): World {
  const turn = new Turn()
  const pool = options.bufferPool ?? new BufferPool()
  return {
    clock: nodeClock,
    timers: new NodeTimers(turn),
    random: new NodeRandom(),
    transport: new NodeTransport({
      turn,
      pool,
      receive: options.receive ?? 'direct',
      closeTimeoutMs: options.closeTimeoutMs ?? 5000,
    }),
    files: new NodeFiles(),
  }
}
