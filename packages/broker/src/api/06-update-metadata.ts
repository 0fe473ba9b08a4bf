// UpdateMetadata: v0-8
//
// Behavior
// - The controller's picture of the cluster replaces ours: brokers and controller as a whole, partitions one by one.
// Version notes
// - v5: grouped by topic, broker epoch (KIP-380). v7: topic ids (KIP-516).
import { ErrorCode } from '@millrace/protocol/errors'
import { updateMetadataRequest, updateMetadataResponse } from '@millrace/protocol/messages/06-update-metadata'
import { defineHandler } from './handler.ts'
import type { DataServices } from './services.ts'

export default defineHandler(
  updateMetadataRequest,
  updateMetadataResponse,
  [0, 8],
  (request, _context, { partitions, metadata }: Pick<DataServices, 'partitions' | 'metadata'>) => {
    const errorCode = partitions.admitController(request.brokerEpoch, request.controllerEpoch)
    if (errorCode === ErrorCode.NONE) metadata.apply(request)
    return { errorCode }
  },
  { retainFrom: Infinity },
)
