// ControlledShutdown: v0-3
//
// Behavior
// - Between brokers: one that wants to stop asks the controller to move its leaders away first. It answers what that broker
//   still leads; the broker asks again while there is something.
// Version notes
// - v0: its request header has no client id. v0-1: no broker epoch, which is then not checked. v2: KIP-380. v3: flexible.
//
// Not done
// - Authorization (security issue).
import {
  controlledShutdownRequest,
  controlledShutdownResponse,
} from '@millrace/protocol/messages/07-controlled-shutdown'
import { defineHandler } from './handler.ts'
import type { TopicServices } from './topic-services.ts'

export default defineHandler(
  controlledShutdownRequest,
  controlledShutdownResponse,
  [0, 3],
  async ({ brokerId, brokerEpoch }, _context, { controller }: Pick<TopicServices, 'controller'>) => {
    const { errorCode, remaining } = await controller.controlledShutdown(brokerId, brokerEpoch)
    const remainingPartitions = remaining.map(({ topic, partition }) => ({
      topicName: topic,
      partitionIndex: partition,
    }))
    return { errorCode, remainingPartitions }
  },
)
