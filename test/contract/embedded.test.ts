import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { coordinationContract } from '@millrace/zookeeper/coordination.contract'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'

coordinationContract('embedded tree', async () => {
  const tree = new EmbeddedTree({ world: nodeWorld(), logger: silentLogger })
  return {
    async client(options) {
      const client = tree.client(options)
      return {
        coordination: client,
        cut: () => client.disconnect(),
        heal: () => client.reconnect(),
        endSession: async () => client.expireSession(),
        die: () => client.kill(),
      }
    },
    stop: () => tree.close(),
  }
})
