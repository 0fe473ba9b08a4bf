import { describe, expect, test } from '@jest/globals'
import { updateMetadataRequest, type UpdateMetadataRequest } from '@millrace/protocol/messages/06-update-metadata'
import { emptyOf } from '@millrace/protocol/schema'
import { VirtualTime } from '@millrace/testing/world/virtual-time'
import { MetadataCache, noTopicId, type MetadataChange } from './metadata-cache.ts'

const id = (letter: string): string => letter.repeat(21) + 'A'

type Topics = Record<string, { id?: string; leaders: Record<number, number> }>

function request(topics: Topics, options: { brokers?: number[]; controllerId?: number } = {}): UpdateMetadataRequest {
  return {
    ...emptyOf(updateMetadataRequest),
    controllerId: options.controllerId ?? 1,
    liveBrokers: (options.brokers ?? [1, 2]).map(broker => ({
      id: broker,
      v0Host: '',
      v0Port: 0,
      rack: broker === 1 ? 'r' : null,
      endpoints: [
        { host: `host-${broker}`, port: 9092, listener: 'CLIENT', securityProtocol: 0 },
        ...(broker === 1 ? [{ host: 'inside', port: 9093, listener: 'INTERNAL', securityProtocol: 0 }] : []),
      ],
    })),
    topicStates: Object.entries(topics).map(([topicName, { id: topicId = noTopicId, leaders }]) => ({
      topicName,
      topicId,
      partitionStates: Object.entries(leaders).map(([partition, leader]) => ({
        topicName: '',
        partitionIndex: Number(partition),
        controllerEpoch: 1,
        leader,
        leaderEpoch: 5,
        isr: [leader],
        zkVersion: 7,
        replicas: [leader, 9],
        offlineReplicas: [9],
      })),
    })),
  }
}

const cacheWith = (...requests: UpdateMetadataRequest[]): MetadataCache => {
  const cache = new MetadataCache(new VirtualTime())
  for (const each of requests) cache.apply(each)
  return cache
}

describe('metadata cache', () => {
  test('nothing heard yet: nothing known', () => {
    const cache = cacheWith()
    expect(cache.controllerId).toBe(-1)
    expect(cache.hasTopic('t')).toBe(false)
    expect(cache.topicId('t')).toBe(noTopicId)
    expect(cache.partitions('t')).toEqual([])
  })

  test('a topic: partitions, ids both ways', () => {
    const cache = cacheWith(request({ t: { id: id('t'), leaders: { 1: 2, 0: 1 } } }))
    expect(cache.partitions('t').map(each => each.partition)).toEqual([0, 1])
    expect(cache.partition('t', 1)).toEqual({
      topic: 't',
      partition: 1,
      leader: 2,
      leaderEpoch: 5,
      controllerEpoch: 1,
      partitionEpoch: 7,
      replicas: [2, 9],
      inSyncReplicas: [2],
      offlineReplicas: [9],
    })
    expect(cache.partition('t', 2)).toBeUndefined()
    expect(cache.topicName(id('t'))).toBe('t')
    expect(cache.topicId('t')).toBe(id('t'))
    expect([...cache.topicNames()]).toEqual(['t'])
  })

  test('a later request: its partitions merge, brokers and controller are replaced', () => {
    const cache = cacheWith(
      request({ t: { leaders: { 0: 1, 1: 1 } } }),
      request({ t: { leaders: { 1: 2 } } }, { brokers: [2], controllerId: 2 }),
    )
    expect(cache.partitions('t').map(each => each.leader)).toEqual([1, 2])
    expect(cache.aliveBrokers.map(broker => broker.id)).toEqual([2])
    expect(cache.controllerId).toBe(2)
  })

  test('a request without partitions: brokers only', () => {
    const cache = cacheWith(request({ t: { leaders: { 0: 1 } } }), request({}, { brokers: [1, 2, 3] }))
    expect(cache.partitionCount('t')).toBe(1)
    expect(cache.isAlive(3)).toBe(true)
  })

  test('leader -1: the partition stays; leader -2: it goes, the topic and its id with the last one', () => {
    const cache = cacheWith(
      request({ t: { id: id('t'), leaders: { 0: 1, 1: 1 } } }),
      request({ t: { id: id('t'), leaders: { 0: -1 } } }),
    )
    expect(cache.partition('t', 0)?.leader).toBe(-1)
    const first = cache.apply(request({ t: { id: id('t'), leaders: { 0: -2 } } }))
    expect(first.removedPartitions).toEqual([{ topic: 't', partition: 0 }])
    expect(cache.partitionCount('t')).toBe(1)
    expect(cache.hasTopic('t')).toBe(true)
    cache.apply(request({ t: { id: id('t'), leaders: { 1: -2, 7: -2 } } }))
    expect(cache.hasTopic('t')).toBe(false)
    expect(cache.topicName(id('t'))).toBeUndefined()
    expect(cache.topicId('t')).toBe(noTopicId)
  })

  test('a topic made anew: the old id finds nothing; a zero id forgets', () => {
    const cache = cacheWith(
      request({ t: { id: id('a'), leaders: { 0: 1 } } }),
      request({ t: { id: id('b'), leaders: { 0: 1 } } }),
    )
    expect(cache.topicName(id('a'))).toBeUndefined()
    expect(cache.topicName(id('b'))).toBe('t')
    cache.apply(request({ t: { leaders: { 0: 1 } } }))
    expect(cache.topicName(id('b'))).toBeUndefined()
  })

  test('brokers: by listener', () => {
    const cache = cacheWith(request({}))
    expect(cache.brokersOn('INTERNAL').map(broker => broker.id)).toEqual([1])
    expect(cache.endpoint(1, 'INTERNAL')).toMatchObject({ host: 'inside', port: 9093 })
    expect(cache.endpoint(2, 'INTERNAL')).toBeUndefined()
    expect(cache.aliveBroker(1)?.rack).toBe('r')
  })

  test('requests before v5 (ungrouped) and v3 (no listener names)', () => {
    const [state] = request({ t: { leaders: { 0: 1 } } }).topicStates[0]!.partitionStates
    const old = {
      ...request({}),
      liveBrokers: [
        {
          id: 1,
          v0Host: '',
          v0Port: 0,
          rack: null,
          endpoints: [{ host: 'h', port: 1, listener: '', securityProtocol: 3 }],
        },
        { id: 2, v0Host: 'older', v0Port: 2, rack: null, endpoints: [] },
      ],
      ungroupedPartitionStates: [{ ...state!, topicName: 't' }],
    }
    const cache = cacheWith(old)
    expect(cache.partition('t', 0)?.leader).toBe(1)
    expect(cache.endpoint(1, 'SASL_SSL')?.host).toBe('h')
    expect(cache.endpoint(2, 'PLAINTEXT')?.port).toBe(2)
  })

  test('listeners: told what changed', () => {
    const cache = cacheWith(request({}))
    const changes: MetadataChange[] = []
    const stop = cache.onChange(change => changes.push(change))
    cache.apply(request({ t: { leaders: { 0: 1 } } }))
    cache.apply(request({}, { brokers: [1] }))
    cache.apply(request({}, { brokers: [1], controllerId: 4 }))
    stop()
    cache.apply(request({}))
    expect(
      changes.map(({ topics, brokersChanged, controllerChanged }) => [[...topics], brokersChanged, controllerChanged]),
    ).toEqual([
      [['t'], false, false],
      [[], true, false],
      [[], false, true],
    ])
  })
})

describe('metadata cache: until', () => {
  const leads = (cache: MetadataCache): boolean => cache.partition('t', 0)?.leader === 1

  test('the condition holds already: true at once', async () => {
    await expect(cacheWith(request({ t: { leaders: { 0: 1 } } })).until(leads, 0)).resolves.toBe(true)
  })

  test('a later request makes it hold: true, and no timer is left', async () => {
    const time = new VirtualTime()
    const cache = new MetadataCache(time)
    const answer = cache.until(leads, 1000)
    cache.apply(request({ t: { leaders: { 0: -1 } } }))
    await time.run(999)
    cache.apply(request({ t: { leaders: { 0: 1 } } }))
    await expect(answer).resolves.toBe(true)
    expect(time.pending).toBe(0)
  })

  test('time is up, or there was none: false', async () => {
    const time = new VirtualTime()
    const cache = new MetadataCache(time)
    await expect(cache.until(leads, 0)).resolves.toBe(false)
    const answer = cache.until(leads, 1000)
    await time.run(1000)
    await expect(answer).resolves.toBe(false)
  })

  test('the cache is closed: false', async () => {
    const cache = cacheWith()
    const answer = cache.until(leads, 1000)
    cache.close()
    await expect(answer).resolves.toBe(false)
  })

  test('a condition that throws: rejected, the others go on', async () => {
    const cache = cacheWith()
    let calls = 0
    const bad = cache.until(() => {
      if (calls++ > 0) throw new Error('no')
      return false
    }, 1000)
    const good = cache.until(leads, 1000)
    cache.apply(request({ t: { leaders: { 0: 1 } } }))
    await expect(bad).rejects.toThrow('no')
    await expect(good).resolves.toBe(true)
  })
})

describe('topics that ZooKeeper has and the controller has not told of', () => {
  const told = request({ t: { leaders: { 0: 1 } } })

  test('expected until they are named, also when they are named for their deletion', () => {
    const cache = cacheWith(request({}))
    cache.expect(['t', 'u', 'deleted'])
    cache.apply(request({}))
    expect(cache.expectedTopics()).toEqual(['t', 'u', 'deleted'])
    cache.apply(told)
    cache.apply(request({ deleted: { leaders: { 0: -2 } } }))
    expect(cache.expectedTopics()).toEqual(['u'])
    expect([cache.isExpected('t'), cache.isExpected('u'), cache.hasTopic('u')]).toEqual([false, true, false])
  })

  test('known already: not expected', () => {
    const cache = cacheWith(told)
    cache.expect(['t'])
    expect(cache.isExpected('t')).toBe(false)
  })

  test('never named: forgotten 30 s after the controller told of others; before it says anything, not at all', async () => {
    const time = new VirtualTime()
    const cache = new MetadataCache(time)
    cache.expect(['t', 'u'])
    await time.run(100_000)
    expect(cache.isExpected('u')).toBe(true)
    cache.apply(told)
    await time.run(29_000)
    expect(cache.isExpected('u')).toBe(true)
    await time.run(1001)
    expect(cache.isExpected('u')).toBe(false)
  })
})
