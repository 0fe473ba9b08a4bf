import type { SmallDisk } from '../../process-cluster/small-disk.ts'
import { anyBroker, between, NoVictim, sleep, type Fault, type FaultRow } from '../fault.ts'

const startWithinMs = 60_000

/**
 * A disk of a broker fills up. That folder goes offline and its leaders elsewhere, or, when it is the last one, the broker ends.
 * Once there is space again the broker is started anew, as an operator would.
 */
const filling =
  (what: string, chosen: (disks: readonly SmallDisk[]) => readonly SmallDisk[]): Fault =>
  async (stage, random) => {
    const lastsMs = between(random, 2000, 10_000)
    const leaveBytes = random.below(2) === 0 ? 0 : random.below(64 * 1024)
    const broker = anyBroker(stage, random)
    const full = chosen(stage.cluster.disks?.get(broker.id) ?? [])
    if (full.length === 0) throw new NoVictim('the brokers have no disks of their own')
    await stage.victims.with([broker.id], async () => {
      stage.say(`${what} of ${broker.id} is full but for ${leaveBytes} bytes, for ${lastsMs} ms`)
      for (const disk of full) disk.fill(leaveBytes)
      await sleep(stage, lastsMs)
      for (const disk of full) disk.empty()
      await broker.terminate().catch(error => {
        // It ends with an error when its last folder failed, before or while it is asked to.
        if (broker.isRunning) throw error
      })
      await broker.startSupervised(startWithinMs)
    })
  }

export const disks = {
  'disk-full': {
    weight: 2,
    needs: 'disks',
    doc: 'one of the two log folders of a broker is full',
    run: filling('one disk', all => all.slice(0, 1)),
  },
  'disks-full': {
    weight: 1,
    needs: 'disks',
    doc: 'both log folders of a broker are full',
    run: filling('each disk', all => all),
  },
} satisfies Record<string, FaultRow>
