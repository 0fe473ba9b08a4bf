// ElectLeaders: v0-2
//
// Behavior
// - Only the controller elects; others answer NOT_CONTROLLER.
// - Preferred: the first replica of each partition leads again if it is in sync. Unclean (v1, KIP-460): partitions whose leader is
//   down are led by any replica that is there, and lose what only others had.
// - Partitions null: all of them; then those that need no election are left out of the answer.
// - Answers when this broker's metadata names the new leaders; REQUEST_TIMED_OUT for those that it does not name in time.
//
// Not done
// - Authorization (security issue).
import { ErrorCode } from '@millrace/protocol/errors'
import { electLeadersRequest, electLeadersResponse } from '@millrace/protocol/messages/43-elect-leaders'
import type { ElectionOutcome } from '../core/controller/plan-leader-election.ts'
import type { MetadataCache } from '../metadata/metadata-cache.ts'
import { byTopic } from './by-topic.ts'
import { defineHandler } from './handler.ts'
import { notController, timedOut } from './topic-outcome.ts'
import type { TopicServices } from './topic-services.ts'

const preferred = 0
const unclean = 1

export default defineHandler(
  electLeadersRequest,
  electLeadersResponse,
  [0, 2],
  async (
    { electionType, topicPartitions, timeoutMs },
    { apiVersion },
    { controller, metadata }: Pick<TopicServices, 'controller' | 'metadata'>,
  ) => {
    if (electionType !== preferred && electionType !== unclean) return refused(ErrorCode.INVALID_REQUEST)
    const asked =
      topicPartitions?.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition }))) ?? null
    const outcomes = await controller.electLeaders(electionType === unclean ? 'unclean' : 'preferred', asked)
    if (outcomes === null) {
      // v0 has no place for an error of the whole.
      if (apiVersion > 0) return refused(notController.errorCode)
      return answered((asked ?? []).map(name => ({ ...name, ...notController })))
    }
    const settled = await awaitLeaders(outcomes, metadata, timeoutMs)
    return answered(
      asked === null ? settled.filter(({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED) : settled,
    )
  },
)

interface Row {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

async function awaitLeaders(
  outcomes: readonly ElectionOutcome[],
  metadata: MetadataCache,
  timeoutMs: number,
): Promise<Row[]> {
  const isKnown = ({ topic, partition, leader }: ElectionOutcome): boolean =>
    leader === null || metadata.partition(topic, partition)?.leader === leader
  await metadata.until(() => outcomes.every(isKnown), Math.max(0, timeoutMs))
  return outcomes.map(outcome => {
    const { topic, partition, errorCode, message } = outcome
    if (!isKnown(outcome)) return { topic, partition, ...timedOut }
    return { topic, partition, errorCode, errorMessage: message }
  })
}

const refused = (errorCode: number) => ({ throttleTimeMs: 0, errorCode, replicaElectionResults: [] })

const answered = (rows: readonly Row[]) => ({
  throttleTimeMs: 0,
  errorCode: ErrorCode.NONE,
  replicaElectionResults: byTopic(rows).map(([topic, partitions]) => ({
    topic,
    partitionResult: partitions.map(({ partition, errorCode, errorMessage }) => ({
      partitionId: partition,
      errorCode,
      errorMessage,
    })),
  })),
})
