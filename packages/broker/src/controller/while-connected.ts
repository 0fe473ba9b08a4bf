import { CoordinationError, isCoordinationError } from '@millrace/zookeeper/coordination'
import type { Coordination } from '@millrace/zookeeper/coordination'

/**
 * Runs `attempt`, again each time the connection comes back, for as long as the session of `generation` lives. For what
 * may be repeated: reads, and writes whose repetition is refused or does no harm. Rejects with SESSION_EXPIRED or CLOSED
 * when that session is over, otherwise as `attempt` does.
 */
export async function whileConnected<T>(
  coordination: Coordination,
  generation: number,
  attempt: () => Promise<T>,
): Promise<T> {
  for (;;) {
    if (coordination.session?.generation !== generation) throw new CoordinationError('SESSION_EXPIRED')
    try {
      return await attempt()
    } catch (error) {
      if (!isCoordinationError(error, 'NOT_CONNECTED', 'UNKNOWN_OUTCOME')) throw error
    }
    await connectionBack(coordination, generation)
  }
}

/** Resolves when connected in the session of `generation`; rejects with SESSION_EXPIRED when it is over. */
export function connectionBack(coordination: Coordination, generation: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): boolean => {
      if (coordination.session?.generation !== generation) reject(new CoordinationError('SESSION_EXPIRED'))
      else if (coordination.isConnected) resolve()
      else return false
      return true
    }
    if (settle()) return
    const stopListening = coordination.onSessionEvent(event => {
      const isOver = event.generation !== generation || event.type === 'expired'
      if (isOver) reject(new CoordinationError('SESSION_EXPIRED'))
      else if (!settle()) return
      stopListening()
    })
  })
}
