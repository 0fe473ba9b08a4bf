import { expect, jest, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeWith } from '../oracles/describe-with.ts'
import { startMillrace } from './clusters.ts'
import { transcript } from './consumer-groups-tool/script.ts'
import { Stage, stageProperties } from './consumer-groups-tool/stage.ts'
import { ToolShell } from './tool-shell.ts'

jest.setTimeout(180_000)

describeWith(['kafka'], 'kafka-consumer-groups', () => {
  test('lists, describes, resets, deletes, and refuses: prints what it prints with a real Kafka 3.9.1', async () => {
    const shell = new ToolShell()
    const cluster = await startMillrace('embedded', 1, stageProperties)
    const stage = new Stage(cluster.ports[0]!)
    try {
      const printed = await transcript(stage, shell, cluster.bootstrap)
      const recorded = readFileSync(join(import.meta.dirname, 'consumer-groups-tool', 'kafka-3.9.1.txt'), 'utf8')
      expect(printed.split('\n')).toEqual(recorded.split('\n'))
    } finally {
      await stage.close()
      await shell.close()
      await cluster.stop()
    }
  })
})
