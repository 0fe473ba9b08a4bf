import { silentLogger } from '@millrace/runtime/logger'
import { nodeWorld } from '@millrace/runtime/node/world'
import { coordinationContract } from '@millrace/zookeeper/coordination.contract'
import type { ContractServer } from '@millrace/zookeeper/coordination.contract'
import { ensembleCoordination } from '@millrace/zookeeper/zookeeper/ensemble-coordination'
import { describeWith } from '../oracles/describe-with.ts'
import { startZooKeeper } from '../oracles/zookeeper-server.ts'
import { TcpProxy } from './tcp-proxy.ts'

describeWith(['kafka'], 'ensemble of one', () => {
  coordinationContract('coordination', startContractServer)
})

async function startContractServer(): Promise<ContractServer> {
  const world = nodeWorld()
  const zookeeper = await startZooKeeper({ tickMs: 500 })
  const target = zookeeper.servers[0]!
  const proxies: TcpProxy[] = []
  const common = { connectionTimeoutMs: 10_000, world, logger: silentLogger }
  return {
    async client({ chroot, sessionTimeoutMs, auth }) {
      const proxy = await TcpProxy.to(target)
      proxies.push(proxy)
      const coordination = ensembleCoordination({
        ...common,
        servers: `127.0.0.1:${proxy.port}${chroot}`,
        sessionTimeoutMs,
        auth,
      })
      return {
        coordination,
        cut: () => proxy.cut(),
        heal: () => proxy.heal(),
        async endSession() {
          const previousSession = coordination.session!
          proxy.cut()
          const thief = ensembleCoordination({
            ...common,
            servers: `127.0.0.1:${target.port}`,
            sessionTimeoutMs,
            previousSession,
          })
          await thief.connect()
          await thief.close()
          proxy.heal()
        },
        die: () => proxy.cut(),
      }
    },
    async stop() {
      await Promise.all(proxies.map(proxy => proxy.close()))
      await zookeeper.stop()
    },
  }
}
