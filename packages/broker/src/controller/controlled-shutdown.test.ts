import { expect, test } from '@jest/globals'
import { ErrorCode } from '@millrace/protocol/errors'
import type { ControlledShutdownResponse } from '@millrace/protocol/messages/07-controlled-shutdown'
import { updateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import { emptyOf } from '@millrace/protocol/schema'
import { silentLogger } from '@millrace/runtime/logger'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { MetadataCache } from '../metadata/metadata-cache.ts'
import { handOver } from './controlled-shutdown.ts'
import { ControllerUnreachable } from './controller-client.ts'

type Scripted = Partial<ControlledShutdownResponse> | 'unreachable'

/** Broker 1 of a cluster that its metadata describes; the controller answers what `script` says. */
class Leaving {
  readonly time = new VirtualTime()
  readonly metadata = new MetadataCache(this.time)
  asked: { readonly brokerId: number; readonly brokerEpoch: number; readonly atMs: number }[] = []

  /** Replicas of `t-0`, `t-1`…; brokers that are up. */
  tell(cluster: { replicas: readonly number[][]; brokers: readonly number[]; controllerId?: number }): this {
    const { replicas, brokers, controllerId = 2 } = cluster
    this.metadata.apply({
      ...emptyOf(updateMetadataRequest),
      controllerId,
      topicStates: [
        {
          topicName: 't',
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          partitionStates: replicas.map((ids, partitionIndex) => ({
            topicName: '',
            partitionIndex,
            controllerEpoch: 1,
            leader: ids[0]!,
            leaderEpoch: 0,
            isr: [...ids],
            zkVersion: 0,
            replicas: [...ids],
            offlineReplicas: [],
          })),
        },
      ],
      liveBrokers: brokers.map(id => ({
        id,
        v0Host: '',
        v0Port: 0,
        endpoints: [{ port: 9000 + id, host: 'h', listener: 'INTERNAL', securityProtocol: 0 }],
        rack: null,
      })),
    })
    return this
  }

  async leave(
    script: readonly Scripted[],
    onAsked?: () => void,
  ): Promise<{ isDone: boolean; asked: number; tookMs: number }> {
    const answers = [...script]
    const startMs = this.time.monotonicMs()
    let endMs = -1
    const leaving = handOver({
      client: {
        request: (_request, _response, value) => {
          const { brokerId, brokerEpoch } = value as { brokerId: number; brokerEpoch: number }
          this.asked.push({ brokerId, brokerEpoch, atMs: this.time.monotonicMs() - startMs })
          onAsked?.()
          const answer = answers.shift()!
          if (answer === 'unreachable') return Promise.reject(new ControllerUnreachable('gone'))
          return Promise.resolve({ errorCode: ErrorCode.NONE, remainingPartitions: [], ...answer } as never)
        },
      },
      metadata: this.metadata,
      brokerId: 1,
      brokerEpoch: () => 77,
      logger: silentLogger,
      attempts: 3,
      backoffMs: 5_000,
    }).finally(() => (endMs = this.time.monotonicMs()))
    while (endMs === -1) await this.time.run(1)
    return { isDone: await leaving, asked: this.asked.length, tookMs: endMs - startMs }
  }
}

const remaining = (...partitions: number[]): Scripted => ({
  remainingPartitions: partitions.map(partitionIndex => ({ topicName: 't', partitionIndex })),
})

test('controlled shutdown: everything handed over: asked once, with its epoch', async () => {
  const broker = new Leaving().tell({ replicas: [[1, 2]], brokers: [1, 2] })
  expect(await broker.leave([{}])).toEqual({ isDone: true, asked: 1, tookMs: 0 })
  expect(broker.asked).toEqual([{ brokerId: 1, brokerEpoch: 77, atMs: 0 }])
})

test('controlled shutdown: nothing here that others have too: not asked at all', async () => {
  const broker = new Leaving().tell({ replicas: [[1], [2, 3]], brokers: [1, 2, 3] })
  expect(await broker.leave([])).toEqual({ isDone: true, asked: 0, tookMs: 0 })
})

test('controlled shutdown: only follows: asked, so that it leaves the ISRs before it stops', async () => {
  const broker = new Leaving().tell({ replicas: [[2, 1]], brokers: [1, 2] })
  expect(await broker.leave([{}])).toEqual({ isDone: true, asked: 1, tookMs: 0 })
})

test('controlled shutdown: no controller known, or nobody else up: stops at once', async () => {
  const leaderless = new Leaving().tell({ replicas: [[1, 2]], brokers: [1, 2], controllerId: -1 })
  expect(await leaderless.leave([])).toEqual({ isDone: false, asked: 0, tookMs: 0 })
  const last = new Leaving().tell({ replicas: [[1, 2]], brokers: [1], controllerId: 1 })
  expect(await last.leave([])).toEqual({ isDone: false, asked: 0, tookMs: 0 })
})

test('controlled shutdown: something remains: asked three times, with the pause between', async () => {
  const broker = new Leaving().tell({ replicas: [[1, 2]], brokers: [1, 2] })
  const result = await broker.leave([remaining(0), remaining(0), remaining(0)])
  expect(result).toEqual({ isDone: false, asked: 3, tookMs: 10_000 })
  expect(broker.asked.map(each => each.atMs)).toEqual([0, 5_000, 10_000])
})

test('controlled shutdown: the only other broker stops too, and that is heard after the answer: stops then', async () => {
  const cluster = { replicas: [[1, 2]], brokers: [1, 2], controllerId: 1 }
  const broker = new Leaving().tell(cluster)
  const othersAreGone = (): void => void broker.time.after(40, () => broker.tell({ ...cluster, brokers: [1] }))
  expect(await broker.leave([remaining(0)], othersAreGone)).toEqual({ isDone: false, asked: 1, tookMs: 40 })
})

test('controlled shutdown: the second try succeeds', async () => {
  const broker = new Leaving().tell({ replicas: [[1, 2]], brokers: [1, 2] })
  expect(await broker.leave([remaining(0), {}])).toEqual({ isDone: true, asked: 2, tookMs: 5_000 })
})

test('controlled shutdown: what remains has no other replica that is up: stops at once', async () => {
  const broker = new Leaving().tell({ replicas: [[1, 3]], brokers: [1, 2] })
  expect(await broker.leave([remaining(0)])).toEqual({ isDone: false, asked: 1, tookMs: 0 })
})

test('controlled shutdown: another controller is told of: asked without waiting for the pause', async () => {
  const broker = new Leaving().tell({ replicas: [[1, 2]], brokers: [1, 2, 3] })
  const result = await broker.leave([{ errorCode: ErrorCode.NOT_CONTROLLER }, {}], () => {
    broker.time.after(100, () => broker.tell({ replicas: [[1, 2]], brokers: [1, 2, 3], controllerId: 3 }))
  })
  expect(result).toEqual({ isDone: true, asked: 2, tookMs: 100 })
})

test('controlled shutdown: no answer: tried as often as the setting says, then it stops all the same', async () => {
  const broker = new Leaving().tell({ replicas: [[1, 2]], brokers: [1, 2] })
  const result = await broker.leave(['unreachable', 'unreachable', 'unreachable'])
  expect(result).toEqual({ isDone: false, asked: 3, tookMs: 10_000 })
})
