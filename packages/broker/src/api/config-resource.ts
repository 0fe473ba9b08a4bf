import { ErrorCode } from '@millrace/protocol/errors'
import { topicNameProblem } from '../core/controller/topic-rules.ts'
import { ControllerMoved, coordinationFailure } from '../metadata/coordination.ts'
import { MalformedZnode } from '../metadata/znode.ts'
import { InvalidDynamicConfig } from '../settings/dynamic.ts'
import { InvalidTopicConfig } from '../settings/topic-overrides.ts'

/** What the requests about configs can be about, by Kafka's numbers. */
export const ResourceType = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const

const typeNames: Readonly<Record<number, string>> = {
  2: 'TOPIC',
  4: 'BROKER',
  8: 'BROKER_LOGGER',
  16: 'CLIENT_METRICS',
  32: 'GROUP',
}
export const resourceTypeName = (type: number): string => typeNames[type] ?? 'UNKNOWN'

/** One resource of a request is refused; the others are not touched by it. */
export class ResourceRefused extends Error {
  override readonly name = 'ResourceRefused'
  readonly errorCode: ErrorCode
  constructor(errorCode: ErrorCode, message: string) {
    super(message)
    this.errorCode = errorCode
  }
}

export interface ErrorAnswer {
  readonly errorCode: ErrorCode
  readonly errorMessage: string
}

/** What a client is told about a failure; undefined for those that are nobody's but ours. */
export function errorAnswer(error: unknown): ErrorAnswer | undefined {
  const answer = (errorCode: ErrorCode, errorMessage: string): ErrorAnswer => ({ errorCode, errorMessage })
  if (error instanceof ResourceRefused) return answer(error.errorCode, error.message)
  if (error instanceof InvalidTopicConfig) return answer(ErrorCode.INVALID_CONFIG, error.message)
  if (error instanceof InvalidDynamicConfig) return answer(ErrorCode.INVALID_REQUEST, error.message)
  if (error instanceof ControllerMoved) return answer(ErrorCode.STALE_CONTROLLER_EPOCH, error.message)
  if (error instanceof MalformedZnode) return answer(ErrorCode.UNKNOWN_SERVER_ERROR, error.message)
  const failure = coordinationFailure(error)
  if (failure === null) return undefined
  // Retriable: a change of a config may be asked for again.
  return answer(ErrorCode.REQUEST_TIMED_OUT, `ZooKeeper did not answer in time: ${failure}`)
}

export function requireTopicName(topic: string): void {
  const problem = topicNameProblem(topic)
  if (problem === null) return
  throw new ResourceRefused(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${problem}`)
}
