import { describe } from '@jest/globals'
import { accessContract } from './contract/access.contract.ts'
import { chrootContract } from './contract/chroot.contract.ts'
import { ephemeralContract } from './contract/ephemerals.contract.ts'
import { multiContract } from './contract/multi.contract.ts'
import { orderContract } from './contract/order.contract.ts'
import { sequentialNameContract } from './contract/sequential-names.contract.ts'
import { sessionContract } from './contract/sessions.contract.ts'
import { statContract } from './contract/stat.contract.ts'
import { watchContract } from './contract/watches.contract.ts'
import { znodeContract } from './contract/znodes.contract.ts'
import { contractContext } from './contract/context.contract.ts'
import type { ContractServer } from './contract/context.contract.ts'

export type { ContractClient, ContractClientOptions, ContractServer } from './contract/context.contract.ts'

/**
 * What every implementation of `Coordination` promises, as tests. Nothing here sleeps: a test waits for what must come,
 * and the test's own deadline is the deadline.
 */
export function coordinationContract(name: string, start: () => Promise<ContractServer>): void {
  describe(name, () => {
    const context = contractContext(start)
    znodeContract(context)
    statContract(context)
    sequentialNameContract(context)
    multiContract(context)
    ephemeralContract(context)
    watchContract(context)
    sessionContract(context)
    orderContract(context)
    accessContract(context)
    chrootContract(context)
  })
}
