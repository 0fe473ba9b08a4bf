import { Findings } from './anomalies.ts'
import type { Operation } from './history.ts'
import { checkEpochs, checkReadOrder, checkRealTimeOrder, checkSendOrder } from './order.ts'
import { partitionsOf } from './partition-history.ts'
import { checkDuplicates, checkPresence, checkTransactions } from './presence.ts'
import { checkStaleness } from './staleness.ts'

export interface CheckOptions {
  /** The history ends with a reading of everything, after all faults had healed: what is not in it is not there. Default true. */
  readonly isComplete?: boolean
  /** How long a leader that was replaced in an orderly way may go on. Default 1,000 ms. */
  readonly staleToleranceMs?: number
}

/** Every rule over the history of one topic. Order of the operations does not matter; memory grows with their number. */
export function checkHistory(history: readonly Operation[], options: CheckOptions = {}): Findings {
  const { isComplete = true, staleToleranceMs = 1000 } = options
  const findings = new Findings()
  const partitions = partitionsOf(history)
  for (const partition of partitions) {
    checkPresence(partition, isComplete, findings)
    checkDuplicates(partition, findings)
    checkReadOrder(partition, findings)
    checkEpochs(partition, findings)
    checkSendOrder(partition, findings)
    checkRealTimeOrder(partition, findings)
    checkStaleness(partition, staleToleranceMs, findings)
  }
  if (isComplete) checkTransactions(partitions, findings)
  return findings
}
