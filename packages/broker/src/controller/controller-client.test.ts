import { ApiKey } from '@millrace/protocol/api-keys'
import { ErrorCode } from '@millrace/protocol/errors'
import {
  allocateProducerIdsRequest,
  allocateProducerIdsResponse,
  type AllocateProducerIdsResponse,
} from '@millrace/protocol/messages/67-allocate-producer-ids'
import { Connector } from '@millrace/client/connection/connector'
import { silentLogger } from '@millrace/runtime/logger'
import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { TinyBroker } from '@millrace/testing/world/tiny-broker'
import { VirtualNetwork } from '@millrace/testing/world/virtual-network'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { ControllerClient, ControllerUnreachable } from './controller-client.ts'

let time: VirtualTime
let network: VirtualNetwork
let brokers: TinyBroker[]
let client: ControllerClient
let controllerId: number
let tellChange: () => void

/** As UpdateMetadata does. */
function moveController(id: number): void {
  controllerId = id
  tellChange()
}

beforeEach(async () => {
  time = new VirtualTime()
  network = new VirtualNetwork(time)
  const ports = { transport: network, clock: time, timers: time, random: new SeededRandom(1) }
  brokers = [new TinyBroker(), new TinyBroker()]
  for (const [id, broker] of brokers.entries()) {
    broker.versions = [
      [ApiKey.ApiVersions, 0, 4],
      [ApiKey.AllocateProducerIds, 0, 0],
    ]
    await broker.listen(network)
    broker.onRequest = header => broker.answer(header, allocateProducerIdsResponse, block(id))
  }
  controllerId = 0
  client = new ControllerClient({
    metadata: {
      get controllerId() {
        return controllerId
      },
      endpoint: (id, listener) => {
        const broker = brokers[id]
        if (broker === undefined) return undefined
        return { listener, host: '127.0.0.1', port: broker.port, securityProtocol: 0 }
      },
      onChange: listener => {
        const change = {
          topics: new Set<string>(),
          removedPartitions: [],
          brokersChanged: false,
          controllerChanged: true,
        }
        tellChange = () => listener(change)
        return () => (tellChange = () => {})
      },
    },
    listener: 'INTERNAL',
    brokerId: 5,
    open: new Connector({ setupTimeoutMs: 500, setupTimeoutMaxMs: 500, ports }).open,
    logger: silentLogger,
    requestTimeoutMs: 500,
  })
})
afterEach(async () => {
  const closed = client.close()
  await time.run(1000)
  await closed
})

const block = (start: number, errorCode: number = ErrorCode.NONE): AllocateProducerIdsResponse => ({
  throttleTimeMs: 0,
  errorCode,
  producerIdStart: start,
  producerIdLen: 1,
})

async function ask(): Promise<AllocateProducerIdsResponse> {
  const answer = client.request(allocateProducerIdsRequest, allocateProducerIdsResponse, {
    brokerId: 5,
    brokerEpoch: 9,
  })
  answer.catch(() => {})
  await time.run(1000)
  return answer
}

const requestsAt = (id: number): number =>
  brokers[id]!.headers.filter(header => header.apiKey === ApiKey.AllocateProducerIds).length

test('controller client: asks the controller that metadata names, on one connection, by the broker id', async () => {
  expect(await ask()).toEqual(block(0))
  expect(await ask()).toEqual(block(0))
  const negotiations = brokers[0]!.headers.filter(header => header.apiKey === ApiKey.ApiVersions)
  expect(negotiations).toHaveLength(1)
  expect(brokers[0]!.headers.at(-1)?.clientId).toBe('5')
})

test('controller client: the controller moves: the next request follows it', async () => {
  await ask()
  controllerId = 1
  expect(await ask()).toEqual(block(1))
  expect([requestsAt(0), requestsAt(1)]).toEqual([1, 1])
})

test('controller client: the controller is silent and another is elected: the request fails at once, the next one is asked', async () => {
  await ask()
  brokers[0]!.onRequest = () => {}
  const stuck = client.request(allocateProducerIdsRequest, allocateProducerIdsResponse, { brokerId: 5, brokerEpoch: 9 })
  const outcome = stuck.catch((error: unknown) => error)
  const next = client.request(allocateProducerIdsRequest, allocateProducerIdsResponse, { brokerId: 5, brokerEpoch: 9 })
  await time.run(100)
  moveController(1)
  await time.run(20)
  expect(await outcome).toBeInstanceOf(ControllerUnreachable)
  expect(await next).toEqual(block(1))
})

test('controller client: connecting to a silent controller when another is elected: the request fails at once', async () => {
  network.silent.add(`127.0.0.1:${brokers[0]!.port}`)
  const stuck = client.request(allocateProducerIdsRequest, allocateProducerIdsResponse, { brokerId: 5, brokerEpoch: 9 })
  const outcome = stuck.catch((error: unknown) => error)
  await time.run(100)
  moveController(1)
  await time.run(20)
  expect(await outcome).toBeInstanceOf(ControllerUnreachable)
  expect(await ask()).toEqual(block(1))
})

test('controller client: NOT_CONTROLLER: given back, and a new connection next time', async () => {
  const [broker] = brokers
  broker!.onRequest = header => broker!.answer(header, allocateProducerIdsResponse, block(0, ErrorCode.NOT_CONTROLLER))
  expect(await ask()).toMatchObject({ errorCode: ErrorCode.NOT_CONTROLLER })
  await ask()
  expect(broker!.headers.filter(header => header.apiKey === ApiKey.ApiVersions)).toHaveLength(2)
})

test('controller client: nobody is controller, nobody listens, no answer: unreachable', async () => {
  controllerId = -1
  await expect(ask()).rejects.toBeInstanceOf(ControllerUnreachable)
  controllerId = 1
  brokers[1]!.onRequest = () => {}
  await expect(ask()).rejects.toBeInstanceOf(ControllerUnreachable)
  await brokers[1]!.close()
  await expect(ask()).rejects.toBeInstanceOf(ControllerUnreachable)
  controllerId = 0
  expect(await ask()).toEqual(block(0))
})
