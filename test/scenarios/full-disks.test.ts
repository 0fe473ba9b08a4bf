import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { describeWith } from '../oracles/describe-with.ts'
import { startIsolatedCluster, type IsolatedCluster } from '../process-cluster/isolated-cluster.ts'
import { SmallDisk } from '../process-cluster/small-disk.ts'
import { expectNothingLost, lasting, processes, sleep, underLoad } from './under-load.ts'

// Each broker has two log folders, each a small file system of its own (tmpfs), which a foreign file fills to the last byte.

jest.setTimeout(300_000)

const whyNot = SmallDisk.whyNot()

describeWith(['kafka', 'confluent'], whyNot === null ? 'full disks' : `full disks [skipped: ${whyNot}]`, () => {
  if (whyNot !== null) {
    test.skip(`every scenario: ${whyNot}`, () => {})
    return
  }
  let cluster: IsolatedCluster
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-full-'))
    cluster = await startIsolatedCluster({ folder, network: false, diskMegabytes: 64 })
  })
  afterAll(async () => {
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('one folder of a leader: its partitions go to other brokers, reads and writes go on, a restart with space brings it back', async () => {
    const verdict = await underLoad(
      processes(cluster),
      { topic: 'one-full', partitions: 6 },
      async ({ leader, client, topic, atWork }) => {
        const broker = cluster.broker(await leader())
        const [disk] = cluster.disks!.get(broker.id)!
        disk!.fill()
        await sleep(lasting(500, 5000))
        await atWork()
        // The other folder works: the broker lives.
        expect(broker.isRunning).toBe(true)
        for (let partition = 0; partition < 6; partition++) {
          expect((await client.readAll(topic, partition)).length).toBeGreaterThan(0)
        }
        disk!.empty()
        await broker.terminate()
        await broker.start()
      },
    )
    expectNothingLost(verdict)
  })

  test('the last folder of a broker: it ends with exit code 1, the cluster goes on, a restart with space brings it back', async () => {
    const verdict = await underLoad(processes(cluster), { topic: 'all-full' }, async ({ leader, atWork }) => {
      const broker = cluster.broker(await leader())
      const disks = cluster.disks!.get(broker.id)!
      for (const disk of disks) disk.fill()
      expect(await broker.running.ended()).toBe(1)
      await atWork()
      for (const disk of disks) disk.empty()
      await broker.start()
    })
    expectNothingLost(verdict)
  })
})
