import { expect, jest, test } from '@jest/globals'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterClient } from '@millrace/testing/workload/cluster-client'
import { describeWith } from '../oracles/describe-with.ts'
import { startMillrace, type MillraceCluster } from './clusters.ts'

jest.setTimeout(120_000)

/** Far longer than anything here waits for: whoever waits for the end of a session fails. */
const sessionTimeoutMs = 60_000
const patienceMs = 30_000

async function withCluster(
  brokers: number,
  properties: Record<string, string>,
  run: (cluster: MillraceCluster, client: ClusterClient) => Promise<void>,
): Promise<void> {
  const cluster = await startMillrace('ensemble', brokers, {
    ...properties,
    'zookeeper.session.timeout.ms': String(sessionTimeoutMs),
  })
  const client = new ClusterClient(() =>
    cluster.ports.map((port, i) => ({ id: i + 1, port, isRunning: !cluster.processes[i]!.exited })),
  )
  try {
    await run(cluster, client)
  } finally {
    await client.close()
    await cluster.stop()
  }
}

async function kill(cluster: MillraceCluster, id: number): Promise<void> {
  cluster.processes[id - 1]!.kill('SIGKILL')
  await cluster.processes[id - 1]!.ended()
}

describeWith(['kafka'], 'kill -9 on a real ensemble, long before the end of the session', () => {
  test('of the controller, then of another broker: the survivors know, and it comes back', async () => {
    await withCluster(3, { 'millrace.fast.failure.detection.enable': 'true' }, async (cluster, client) => {
      for (const victimIs of ['controller', 'other'] as const) {
        const { controllerId } = await client.metadata(null)
        const victim = victimIs === 'controller' ? controllerId : [1, 2, 3].find(id => id !== controllerId)!
        await kill(cluster, victim)
        const isKnown = async (): Promise<boolean> => {
          const known = await client.metadata(null)
          return known.brokers.every(({ nodeId }) => nodeId !== victim) && known.controllerId !== victim
        }
        await client.until(`broker ${victim} is gone`, isKnown, patienceMs)
        await cluster.restart(victim - 1)
      }
    })
  })

  test('a lone broker: started again it ends its former session itself; the key is for its owner only', async () => {
    const properties = { 'millrace.fast.failure.detection.enable': 'false' }
    await withCluster(1, properties, async cluster => {
      const file = join(cluster.logDirs[0]!, 'millrace.session')
      const before = readFileSync(file, 'utf8')
      expect(statSync(file).mode & 0o777).toBe(0o600)
      await kill(cluster, 1)
      // Waits half a minute at most.
      await cluster.restart(0)
      expect(cluster.processes[0]!.output()).toContain('the session of the former process was ended')
      expect(readFileSync(file, 'utf8')).not.toBe(before)
      const password = /password=(.+)/.exec(before)![1]!
      expect(cluster.processes[0]!.output()).not.toContain(password)
    })
  })
})
