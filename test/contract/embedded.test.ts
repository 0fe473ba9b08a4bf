import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { coordinationContract } from '@millrace/zookeeper/coordination.contract'
import type { ContractServer } from '@millrace/zookeeper/coordination.contract'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'

coordinationContract('embedded tree in memory', async () =>
  contractServer(new EmbeddedTree({ world: nodeWorld(), logger: silentLogger })),
)

coordinationContract('embedded tree in a folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-tree-'))
  // A low limit, so that the log is folded into snapshots all the time.
  const tree = new EmbeddedTree({ world: nodeWorld(), logger: silentLogger, folder, compactAboveBytes: 10_000 })
  const server = contractServer(tree)
  return {
    ...server,
    async stop() {
      await server.stop()
      rmSync(folder, { recursive: true })
    },
  }
})

function contractServer(tree: EmbeddedTree): ContractServer {
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
}
