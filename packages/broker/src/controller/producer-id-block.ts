import { isCoordinationError } from '@millrace/zookeeper/coordination'
import { producerIdBlockZnode, type ProducerIdBlock } from '../metadata/znodes.ts'
import type { ControllerTerm } from './controller-term.ts'

/** Ids per block, as Kafka hands them out. */
export const producerIdBlockSize = 1000

/** All producer ids that we can count (2^53) are used up. */
export class ProducerIdsExhausted extends Error {
  override readonly name = 'ProducerIdsExhausted'
}

/** Takes the next block of producer ids for `brokerId`: compare and set, so that no id is ever handed out twice. */
export async function takeProducerIdBlock(term: ControllerTerm, brokerId: number): Promise<ProducerIdBlock> {
  const path = producerIdBlockZnode.path()
  for (;;) {
    const { data, stat } = await term.read(coordination => coordination.get(path))
    const last = data.length === 0 ? -1 : producerIdBlockZnode.decode(data, path).lastProducerId
    if (last > Number.MAX_SAFE_INTEGER - producerIdBlockSize)
      throw new ProducerIdsExhausted(`last block ends at ${last}`)
    const block = { brokerId, firstProducerId: last + 1, lastProducerId: last + producerIdBlockSize }
    const encoded = producerIdBlockZnode.encode(block)
    try {
      await term.write([{ op: 'set', path, data: encoded, version: stat.version }])
      return block
    } catch (error) {
      if (!isCoordinationError(error, 'BAD_VERSION', 'UNKNOWN_OUTCOME', 'NOT_CONNECTED')) throw error
      // Our own write whose answer was lost: its version is the next one and it says what we wrote.
      const now = await term.read(coordination => coordination.get(path))
      if (now.stat.version === stat.version + 1 && now.data.equals(encoded)) return block
    }
  }
}
