import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { ConnectionLost } from '@millrace/client/connection/request-failure'
import { ErrorCode, errorName } from '@millrace/protocol/errors'
import { produceRequest, produceResponse } from '@millrace/protocol/messages/00-produce'
import { fetchRequest, fetchResponse } from '@millrace/protocol/messages/01-fetch'
import { monotonicMs } from '@millrace/runtime/node/clock'
import { nodeWorld } from '@millrace/runtime/node/world'
import { batchOf, fetchOf, produceOf } from '@millrace/testing/data-path/requests'
import { BrokerLinks } from '@millrace/testing/workload/broker-links'
import { payloadOf } from '@millrace/testing/workload/payload'
import { describeWith } from '../oracles/describe-with.ts'
import { startProcessCluster, type ProcessCluster } from '../process-cluster/process-cluster.ts'
import { expectNothingLost, lasting, processes, sleep, underLoad, type UnderLoad } from './under-load.ts'

// SIGSTOP: the process wakes up with yesterday's beliefs, and with requests in its sockets that came while it slept.

jest.setTimeout(300_000)

const lagTimeMaxMs = 2000
const sessionTimeoutMs = 4000

describeWith(['kafka', 'confluent'], 'a leader that is stopped and goes on', () => {
  let cluster: ProcessCluster
  let links: BrokerLinks
  beforeAll(async () => {
    cluster = await startProcessCluster({
      properties: {
        'replica.lag.time.max.ms': String(lagTimeMaxMs),
        'zookeeper.session.timeout.ms': String(sessionTimeoutMs),
      },
    })
    const world = nodeWorld()
    // Patient: what is asked of a process that sleeps is answered when it wakes up.
    const timeouts = { connectTimeoutMs: 5000, requestTimeoutMs: 120_000 }
    links = new BrokerLinks({ brokers: processes(cluster).brokers, world, clientId: 'patient', ...timeouts })
  })
  afterAll(async () => {
    await links.close()
    await cluster.close()
  })

  /** `count` produces with acks=1 and as many fetches, sent and not answered yet. The connection must be open already. */
  async function queue(
    { load, topic }: Pick<UnderLoad, 'load' | 'topic'>,
    leader: { readonly id: number; readonly epoch: number },
    count: number,
  ): Promise<{ readonly produced: Promise<string>[]; readonly fetched: Promise<string>[] }> {
    const connection = await links.to(leader.id)
    const process = 'queued'
    const produce = async (number: number): Promise<string> => {
      const records = batchOf([payloadOf(process, number)], { timestamp: Date.now() })
      const sent = { process, partition: 0, value: `${process}:${number}`, startMs: monotonicMs() }
      const request = produceOf(topic, records, { acks: 1 })
      const { responses } = await connection.request(produceRequest, produceResponse, request)
      const { errorCode, baseOffset } = responses[0]!.partitionResponses[0]!
      const isAcked = errorCode === ErrorCode.NONE
      const outcome = { result: isAcked ? ('ok' as const) : ('unknown' as const), offset: isAcked ? baseOffset : null }
      load.record({ type: 'send', ...sent, endMs: monotonicMs(), ...outcome, acks: 1, ordered: false })
      return errorName(errorCode)
    }
    const fetch = async (): Promise<string> => {
      const request = fetchOf([{ topic, fetchOffset: 0, currentLeaderEpoch: leader.epoch }])
      const { responses } = await connection.request(fetchRequest, fetchResponse, request, { version: 12 })
      return errorName(responses[0]!.partitions[0]!.errorCode)
    }
    const numbers = Array.from({ length: count }, (_, number) => number)
    // A broker that cannot tell whether it led when it answered ends the connection instead.
    const orClosed = (error: unknown): string => (error instanceof ConnectionLost ? 'closed' : String(error))
    return {
      produced: numbers.map(number => produce(number).catch(orClosed)),
      fetched: numbers.map(() => fetch().catch(orClosed)),
    }
  }

  test('longer than replica.lag.time.max.ms, shorter than its session: it goes on leading, nothing acknowledged is lost', async () => {
    const verdict = await underLoad(processes(cluster), { topic: 'past-lag' }, async ({ leader, client, topic }) => {
      const before = await client.partition(topic, 0)
      const broker = cluster.broker(await leader())
      broker.pause()
      await sleep(lagTimeMaxMs + 800)
      broker.resume()
      await client.until('it answers', () => client.partition(topic, 0, broker.id).then(() => true))
      expect((await client.partition(topic, 0)).leaderEpoch).toBe(before.leaderEpoch)
    })
    expectNothingLost(verdict)
  })

  test('longer than its session, with produces (acks=1) and fetches in its socket: none is answered from the past', async () => {
    const answers: { produced: string[]; fetched: string[] } = { produced: [], fetched: [] }
    // Not a millisecond of tolerance: the old leader must not have answered once it had been replaced.
    const verdict = await underLoad(
      processes(cluster),
      { topic: 'past-session', staleToleranceMs: 0 },
      async context => {
        const { leader, client, topic, probe } = context
        const old = cluster.broker(await leader())
        const { leaderEpoch } = await client.partition(topic, 0)
        await links.to(old.id)
        old.pause()
        const { produced, fetched } = await queue(context, { id: old.id, epoch: leaderEpoch }, 5)
        const isReplaced = async (): Promise<boolean> => {
          const known = await client.partition(topic, 0)
          return known.leader !== old.id && known.leaderEpoch > leaderEpoch
        }
        await client.until('another one leads', isReplaced, 20_000)
        await client.until('and acknowledges', async () => (await probe(0)) === ErrorCode.NONE)
        await sleep(lasting(500, sessionTimeoutMs))
        old.resume()
        answers.produced = await Promise.all(produced)
        answers.fetched = await Promise.all(fetched)
      },
    )
    const outcomes = [...answers.produced, ...answers.fetched]
    expect(outcomes).toHaveLength(10)
    expect(outcomes.filter(outcome => outcome !== 'NOT_LEADER_OR_FOLLOWER' && outcome !== 'closed')).toEqual([])
    expectNothingLost(verdict)
  })
})
