import { ApiKey } from '@millrace/protocol/api-keys'
import { codec } from '@millrace/protocol/codec'
import { ErrorCode } from '@millrace/protocol/errors'
import { leaderAndIsrRequest, leaderAndIsrResponse } from '@millrace/protocol/messages/04-leader-and-isr'
import { updateMetadataResponse } from '@millrace/protocol/messages/06-update-metadata'
import { Connector } from '@millrace/client/connection/connector'
import { silentLogger } from '@millrace/runtime/logger'
import { registeredBroker } from '@millrace/testing/controller/memory-controller'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { TinyBroker } from '@millrace/testing/world/tiny-broker'
import { VirtualNetwork } from '@millrace/testing/world/virtual-network'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { ControlRequest } from '../core/controller/control-request.ts'
import type { ControllerEvent } from '../core/controller/event.ts'
import { settledAssignment } from '../core/controller/leadership.ts'
import { BrokerChannel, connectOverNetwork } from './broker-channel.ts'

const topicId = 'A4BiWw9sQeC0G8sl8KnblQ'
let time: VirtualTime
let network: VirtualNetwork
let broker: TinyBroker
let events: ControllerEvent[]
let refusals: number[]
let channel: BrokerChannel

beforeEach(() => {
  time = new VirtualTime()
  network = new VirtualNetwork(time)
  const ports = { transport: network, clock: time, timers: time, random: new SeededRandom(1) }
  broker = new TinyBroker()
  events = []
  refusals = []
  channel = new BrokerChannel({
    brokerId: 1,
    brokerEpoch: 70,
    address: () => ({ listener: 'INTERNAL', host: '127.0.0.1', port: 9000, securityProtocol: 0 }),
    sender: { brokerId: 3, controllerEpoch: 8 },
    connect: connectOverNetwork(new Connector({ setupTimeoutMs: 1000, setupTimeoutMaxMs: 1000, ports }).open),
    timers: time,
    logger: silentLogger,
    requestTimeoutMs: 1000,
    onEvent: event => events.push(event),
    onRefused: errorCode => refusals.push(errorCode),
  })
})
afterEach(() => channel.close())

const metadata = (): ControlRequest => ({
  kind: 'update-metadata',
  brokerId: 1,
  brokerEpoch: 70,
  topics: [],
  brokers: [registeredBroker(1, 70)],
})

const leadership: ControlRequest = {
  kind: 'leader-and-isr',
  brokerId: 1,
  brokerEpoch: 70,
  topics: [
    {
      name: 'orders',
      id: topicId,
      partitions: [
        {
          partition: 2,
          leadership: {
            leader: 1,
            leaderEpoch: 4,
            inSyncReplicas: [1],
            leaderRecoveryState: 0,
            controllerEpoch: 8,
            partitionEpoch: 6,
          },
          assignment: settledAssignment([1]),
          isNew: false,
        },
      ],
    },
  ],
  leaders: [],
}

test('channel: fixed versions, no negotiation, the controller is the client', async () => {
  broker.onRequest = header => broker.answer(header, updateMetadataResponse, { errorCode: 0 })
  await broker.listen(network, 9000)
  channel.send(metadata())
  await time.run(50)
  expect(broker.headers).toEqual([
    expect.objectContaining({ apiKey: ApiKey.UpdateMetadata, apiVersion: 8, clientId: '3' }),
  ])
  expect(channel.waiting).toBe(0)
})

test('channel: one at a time: the second is sent when the first is answered', async () => {
  await broker.listen(network, 9000)
  channel.send(metadata())
  channel.send(metadata())
  await time.run(50)
  expect(broker.headers).toHaveLength(1)
  broker.answer(broker.headers[0]!, updateMetadataResponse, { errorCode: 0 })
  await time.run(50)
  expect(broker.headers).toHaveLength(2)
})

test('channel: nobody listens, then somebody does, who breaks off: tried until it is answered', async () => {
  channel.send(metadata())
  await time.run(1000)
  let asked = 0
  broker.onRequest = header => {
    if (++asked < 3) broker.connection?.destroy()
    else broker.answer(header, updateMetadataResponse, { errorCode: 0 })
  }
  await broker.listen(network, 9000)
  await time.run(1000)
  expect(asked).toBe(3)
  expect(channel.waiting).toBe(0)
})

test('channel: no answer in time: sent again on a new connection', async () => {
  await broker.listen(network, 9000)
  channel.send(metadata())
  await time.run(2500)
  expect(broker.headers.length).toBeGreaterThanOrEqual(2)
})

test('channel: closed: nothing more is sent', async () => {
  channel.send(metadata())
  await time.run(150)
  channel.close()
  await broker.listen(network, 9000)
  await time.run(1000)
  expect(broker.headers).toEqual([])
})

test('channel: what LeaderAndIsr answers becomes an event, topic ids turned into names', async () => {
  broker.onRequest = (header, body) => {
    const { topicStates } = codec(leaderAndIsrRequest, header.apiVersion).decode(body)
    expect(topicStates[0]?.partitionStates[0]).toMatchObject({ leader: 1, leaderEpoch: 4, partitionEpoch: 6 })
    const row = { topicName: '', partitionIndex: 2, errorCode: ErrorCode.KAFKA_STORAGE_ERROR }
    const topics = [{ topicId, partitionErrors: [row] }]
    broker.answer(header, leaderAndIsrResponse, { errorCode: 0, partitionErrors: [], topics })
  }
  await broker.listen(network, 9000)
  channel.send(leadership)
  await time.run(50)
  expect(events).toEqual([
    {
      event: 'leader-and-isr-answered',
      brokerId: 1,
      brokerEpoch: 70,
      partitions: [{ topic: 'orders', partition: 2, outcome: 'storage-error' }],
    },
  ])
})

test('channel: refused by epoch: reported, and not sent again', async () => {
  broker.onRequest = header =>
    broker.answer(header, updateMetadataResponse, { errorCode: ErrorCode.STALE_CONTROLLER_EPOCH })
  await broker.listen(network, 9000)
  channel.send(metadata())
  await time.run(500)
  expect(refusals).toEqual([ErrorCode.STALE_CONTROLLER_EPOCH])
  expect(broker.headers).toHaveLength(1)
})

test('channel: more waits than may: dropped, and the controller hears that the broker is behind', async () => {
  for (let sent = 0; sent < 2_500; sent++) channel.send(metadata())
  await time.run(10)
  expect(channel.waiting).toBeLessThan(600)
  expect(events).toEqual([{ event: 'broker-behind', brokerId: 1, brokerEpoch: 70 }])
})
