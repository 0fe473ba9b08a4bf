// AllocateProducerIds: v0
//
// Behavior
// - Between brokers: the controller gives a broker a block of 1,000 producer ids, which nobody else ever gets.
// - NOT_CONTROLLER, BROKER_ID_NOT_REGISTERED, or STALE_BROKER_EPOCH for a broker that has registered anew.
import {
  allocateProducerIdsRequest,
  allocateProducerIdsResponse,
} from '@millrace/protocol/messages/67-allocate-producer-ids'
import { defineHandler } from './handler.ts'
import type { TopicServices } from './topic-services.ts'

export default defineHandler(
  allocateProducerIdsRequest,
  allocateProducerIdsResponse,
  [0, 0],
  async ({ brokerId, brokerEpoch }, _context, { controller }: Pick<TopicServices, 'controller'>) => {
    const { errorCode, firstProducerId, count } = await controller.allocateProducerIds(brokerId, brokerEpoch)
    return { throttleTimeMs: 0, errorCode, producerIdStart: firstProducerId, producerIdLen: count }
  },
)
