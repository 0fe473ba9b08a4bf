import { ensembleCoordination, type EnsembleOptions } from './ensemble-coordination.ts'
import type { SessionKey } from './session-key.ts'

/**
 * Ends the session of a process that is gone, so that its ephemeral znodes vanish at once: takes it over and closes it. False
 * when it was over already. Rejects when no server answers within `connectionTimeoutMs`.
 */
export async function endSession(
  options: Omit<EnsembleOptions, 'previousSession'>,
  session: SessionKey,
): Promise<boolean> {
  const client = ensembleCoordination({ ...options, previousSession: session })
  try {
    await client.connect()
    return client.session?.id === session.id
  } finally {
    await client.close()
  }
}
