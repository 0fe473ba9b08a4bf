// InitProducerId: v0-5
//
// Behavior
// - Without a transactional id any broker answers: a producer id that nobody has had before, epoch 0. An id and epoch that
//   the client sends along (v3) are checked and otherwise of no matter: it gets a new id.
// - COORDINATOR_LOAD_IN_PROGRESS, which clients answer by asking again, while the controller gives no ids.
//
// Not done
// - Transactional ids (transactions issue): UNSUPPORTED_VERSION. Clients take it as final; the codes that would fit better
//   (COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR) make them ask for ever.
import { ErrorCode } from '@millrace/protocol/errors'
import {
  initProducerIdRequest,
  initProducerIdResponse,
  type InitProducerIdRequest,
  type InitProducerIdResponse,
} from '@millrace/protocol/messages/22-init-producer-id'
import { ProducerIdsUnavailable } from '../controller/producer-id-blocks.ts'
import { defineHandler } from './handler.ts'
import type { TopicServices } from './topic-services.ts'

export default defineHandler(
  initProducerIdRequest,
  initProducerIdResponse,
  [0, 5],
  async (request, _context, { producerIds }: Pick<TopicServices, 'producerIds'>) => {
    if (isContradictory(request)) return refusal(ErrorCode.INVALID_REQUEST)
    if (request.transactionalId !== null) {
      return refusal(request.transactionalId === '' ? ErrorCode.INVALID_REQUEST : ErrorCode.UNSUPPORTED_VERSION)
    }
    try {
      const producerId = await producerIds.next()
      return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, producerId, producerEpoch: 0 }
    } catch (error) {
      if (error instanceof ProducerIdsUnavailable) return refusal(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
      throw error
    }
  },
)

/** Id and epoch come together or not at all. */
function isContradictory({ producerId, producerEpoch }: InitProducerIdRequest): boolean {
  return producerId >= 0 !== producerEpoch >= 0
}

const refusal = (errorCode: number): InitProducerIdResponse => ({
  throttleTimeMs: 0,
  errorCode,
  producerId: -1,
  producerEpoch: -1,
})
