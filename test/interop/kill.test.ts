import { describe, expect, jest, test } from '@jest/globals'
import { join } from 'node:path'
import { describeWith } from '../oracles/describe-with.ts'
import { oraclePath } from '../oracles/oracles.ts'
import { runProcess, startProcess } from '../oracles/processes.ts'
import { startMillrace } from './clusters.ts'

jest.setTimeout(120_000)

interface Acknowledged {
  readonly sent: number
  readonly acked: readonly [number: number, partition: number, offset: number][]
  readonly failed: readonly string[]
  readonly left: number
}

describeWith(['kafka', 'kcat', 'confluent'], 'kill -9', () => {
  describe.each(['embedded', 'ensemble'] as const)('%s coordination', kind => {
    test('a broker process in the middle of a load, three times, then restarted: every acknowledged record is there, none twice, none torn', async () => {
      const cluster = await startMillrace(kind, 1, {
        'log.segment.bytes': '1000000',
        'zookeeper.session.timeout.ms': '2000',
      })
      try {
        await runProcess({
          name: 'kcat',
          command: oraclePath('kcat'),
          args: ['-b', cluster.bootstrap, '-L', '-t', 'killed'],
        }) // creates it
        const producer = startProcess({
          name: 'producer',
          command: oraclePath('confluent'),
          args: [join(import.meta.dirname, 'python', 'produce_acked.py'), cluster.bootstrap, 'killed', '1'],
          stdin: 'pipe',
        })
        for (let round = 0; round < 3; round++) {
          await new Promise(resolve => setTimeout(resolve, 1500))
          cluster.processes[0]!.kill('SIGKILL')
          await cluster.restart(0)
        }
        await new Promise(resolve => setTimeout(resolve, 1500))
        producer.child.stdin!.end('stop\n')
        expect({ exit: await producer.ended(), output: producer.output().slice(0, 200) }).toMatchObject({ exit: 0 })
        const { sent, acked, failed, left } = JSON.parse(
          producer.output().slice(producer.output().indexOf('{')),
        ) as Acknowledged
        expect({ failed, left }).toEqual({ failed: [], left: 0 })
        expect(acked.length).toBe(sent)
        expect(sent).toBeGreaterThan(1000)
        const { stdout } = await runProcess({
          name: 'kcat',
          command: oraclePath('kcat'),
          args: [
            '-b',
            cluster.bootstrap,
            '-C',
            '-t',
            'killed',
            '-p',
            '0',
            '-o',
            'beginning',
            '-e',
            '-q',
            '-f',
            '%o %s\\n',
          ],
        })
        const seen = new Map<number, number>() // number → offset
        const wrong: string[] = []
        let lastOffset = -1
        for (const line of stdout.toString().trim().split('\n')) {
          const [offset = NaN, number = NaN] = line.split(' ', 2).map(Number)
          if (line.length < 200 || offset <= lastOffset) wrong.push(line.slice(0, 80))
          if (seen.has(number)) wrong.push(`${number} twice: ${seen.get(number)} and ${offset}`)
          seen.set(number, offset)
          lastOffset = offset
        }
        expect(wrong).toEqual([])
        expect(acked.filter(([number, , offset]) => seen.get(number) !== offset && offset >= 0)).toEqual([])
        expect(acked.filter(([number]) => !seen.has(number))).toEqual([])
      } finally {
        await cluster.stop()
      }
    })
  })
})
