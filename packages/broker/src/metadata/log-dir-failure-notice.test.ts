import { beforeEach, expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTree } from '@millrace/testing/world/virtual-tree'
import type { EmbeddedClient } from '@millrace/zookeeper/embedded/embedded-client'
import { LogDirFailureNotice } from './log-dir-failure-notice.ts'
import { logDirEventZnode } from './znodes.ts'

const parent = '/log_dir_event_notification'
let tree: VirtualTree
let client: EmbeddedClient
let notice: LogDirFailureNotice

beforeEach(async () => {
  tree = new VirtualTree()
  client = await tree.client(60_000)
  notice = new LogDirFailureNotice({ coordination: client, brokerId: 7, timers: tree.time, logger: silentLogger })
})

/** Without its parent no notice can be written: that is a failure like any other. */
const makeParent = (): Promise<unknown> => tree.during(client.create(parent, Buffer.alloc(0), { mode: 'persistent' }))

/** Broker ids of the notices that stand there. */
async function told(): Promise<number[]> {
  const ids: number[] = []
  for (const name of await tree.during(client.children(parent))) {
    const { data } = await tree.during(client.get(`${parent}/${name}`))
    ids.push(logDirEventZnode.decode(data, name))
  }
  return ids
}

test('failed log directory: told again each second until it is written, then no more', async () => {
  notice.tell()
  await tree.time.run(2_500)
  await makeParent()
  expect(await told()).toEqual([])
  await tree.time.run(1_000)
  expect(await told()).toEqual([7])
  await tree.time.run(5_000)
  expect(await told()).toEqual([7])
})

test('failed log directory, the broker stops before it is written: nothing more is written', async () => {
  notice.tell()
  await tree.time.run(500)
  notice.close()
  await makeParent()
  await tree.time.run(5_000)
  expect(await told()).toEqual([])
})
