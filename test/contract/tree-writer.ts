import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { EmbeddedTree } from '@millrace/zookeeper/embedded/embedded-tree'

/** A process that writes to an embedded tree in the folder of its argument, and says so, until it is killed. */
const tree = new EmbeddedTree({
  world: nodeWorld(),
  logger: silentLogger,
  folder: process.argv[2]!,
  compactAboveBytes: 50_000,
})
const zk = tree.client({ sessionTimeoutMs: 1000 })
await zk.connect()
await zk.create('/counter', null)
await zk.create('/ephemeral', null, { mode: 'ephemeral' })
for (let version = 1; ; version++) {
  const stat = await zk.set('/counter', Buffer.from(String(version)), version - 1)
  process.stdout.write(`${stat.version}\n`)
}
