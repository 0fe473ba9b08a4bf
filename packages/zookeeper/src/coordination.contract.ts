import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { AnyVersion, CoordinationError, openAcl } from './coordination.ts'
import type {
  Acl,
  Coordination,
  CoordinationErrorCode,
  Credential,
  Operation,
  SessionEvent,
  WatchEvent,
} from './coordination.ts'

/** What the suite asks of an implementation: clients, and the power to do to them what networks and kernels do. */
export interface ContractServer {
  client(options: ContractClientOptions): Promise<ContractClient>
  stop(): Promise<void>
}

export interface ContractClientOptions {
  readonly chroot: string
  readonly sessionTimeoutMs: number
  readonly auth?: readonly Credential[]
}

export interface ContractClient {
  readonly coordination: Coordination
  /** Breaks the connection; none can be made until `heal`. */
  cut(): void
  heal(): void
  /** The server ends the session while the client lives. */
  endSession(): Promise<void>
  /** The process of the client ends without a word. */
  die(): void
}

/**
 * What every implementation of `Coordination` promises, as tests. Nothing here sleeps: a test waits for what must come,
 * and the test's own deadline is the deadline.
 */
export function coordinationContract(name: string, start: () => Promise<ContractServer>): void {
  describe(name, () => {
    let server: ContractServer
    let clients: ContractClient[] = []
    let chroot = ''
    let testCount = 0

    beforeAll(async () => {
      server = await start()
    }, 60_000)
    afterAll(async () => {
      await server.stop()
    }, 60_000)
    beforeEach(() => {
      chroot = `/contract/${++testCount}`
    })
    afterEach(async () => {
      for (const client of clients) client.heal()
      await Promise.all(clients.map(client => client.coordination.close()))
      clients = []
    })

    const newClient = async (options: Partial<ContractClientOptions> = {}): Promise<ContractClient> => {
      const client = await server.client({ chroot, sessionTimeoutMs: 4000, ...options })
      clients.push(client)
      return client
    }
    const connected = async (options: Partial<ContractClientOptions> = {}): Promise<ContractClient> => {
      const client = await newClient(options)
      await client.coordination.connect()
      return client
    }
    const coordination = async (options: Partial<ContractClientOptions> = {}): Promise<Coordination> =>
      (await connected(options)).coordination

    describe('create, read, write, delete', () => {
      test('create: new path: answers it, data and version 0 are there', async () => {
        const zk = await coordination()
        expect(await zk.create('/a', bytes('one'))).toBe('/a')
        const { data, stat } = await zk.get('/a')
        expect(data).toEqual(bytes('one'))
        expect(stat.version).toBe(0)
      })

      test('create: null data: reads as empty', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        const { data, stat } = await zk.get('/a')
        expect(data).toHaveLength(0)
        expect(stat.dataLength).toBe(0)
      })

      test('create: missing parent: NO_NODE with the path', async () => {
        const zk = await coordination()
        await expectError(zk.create('/a/b', null), 'NO_NODE', '/a/b')
      })

      test('create: path is there: NODE_EXISTS, data stays', async () => {
        const zk = await coordination()
        await zk.create('/a', bytes('one'))
        await expectError(zk.create('/a', bytes('two')), 'NODE_EXISTS', '/a')
        expect((await zk.get('/a')).data).toEqual(bytes('one'))
      })

      test('create: the root: NODE_EXISTS', async () => {
        const zk = await coordination()
        await expectError(zk.create('/', null), 'NODE_EXISTS', '/')
      })

      test('create: data changed by the caller afterwards: the tree keeps what was handed in', async () => {
        const zk = await coordination()
        const data = bytes('one')
        const created = zk.create('/a', data)
        data.fill(0)
        await created
        expect((await zk.get('/a')).data).toEqual(bytes('one'))
      })

      test('get, children, getAcl: missing path: NO_NODE', async () => {
        const zk = await coordination()
        await expectError(zk.get('/a'), 'NO_NODE', '/a')
        await expectError(zk.children('/a'), 'NO_NODE', '/a')
        await expectError(zk.getAcl('/a'), 'NO_NODE', '/a')
      })

      test('exists: missing path: null', async () => {
        const zk = await coordination()
        expect(await zk.exists('/a')).toBeNull()
      })

      test('set: expected version 0 is the version: applied, version 1', async () => {
        const zk = await coordination()
        await zk.create('/a', bytes('one'))
        expect((await zk.set('/a', bytes('two'), 0)).version).toBe(1)
        expect((await zk.get('/a')).data).toEqual(bytes('two'))
      })

      test('set: expected version 0, version is 1: BAD_VERSION, data stays', async () => {
        const zk = await coordination()
        await zk.create('/a', bytes('one'))
        await zk.set('/a', bytes('two'), 0)
        await expectError(zk.set('/a', bytes('three'), 0), 'BAD_VERSION', '/a')
        expect((await zk.get('/a')).data).toEqual(bytes('two'))
      })

      test('set: expected version above the version: BAD_VERSION', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        await expectError(zk.set('/a', null, 1), 'BAD_VERSION', '/a')
      })

      test('set: any version: applied each time', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        await zk.set('/a', bytes('one'), AnyVersion)
        expect((await zk.set('/a', bytes('two'), AnyVersion)).version).toBe(2)
      })

      test('set: null data: reads as empty', async () => {
        const zk = await coordination()
        await zk.create('/a', bytes('one'))
        expect((await zk.set('/a', null, 0)).dataLength).toBe(0)
        expect((await zk.get('/a')).data).toHaveLength(0)
      })

      test('set: missing path: NO_NODE', async () => {
        const zk = await coordination()
        await expectError(zk.set('/a', null, AnyVersion), 'NO_NODE', '/a')
      })

      test('delete: expected version 0 is the version: gone', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        await zk.delete('/a', 0)
        expect(await zk.exists('/a')).toBeNull()
      })

      test('delete: expected version 0, version is 1: BAD_VERSION, still there', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        await zk.set('/a', null, 0)
        await expectError(zk.delete('/a', 0), 'BAD_VERSION', '/a')
        expect(await zk.exists('/a')).not.toBeNull()
      })

      test('delete: missing path: NO_NODE', async () => {
        const zk = await coordination()
        await expectError(zk.delete('/a', AnyVersion), 'NO_NODE', '/a')
      })

      test('delete: children left: NOT_EMPTY', async () => {
        const zk = await coordination()
        await createAll(zk, '/a', '/a/b')
        await expectError(zk.delete('/a', AnyVersion), 'NOT_EMPTY', '/a')
      })

      test('create: after a deletion: a new znode with version 0', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        const before = await zk.set('/a', null, 0)
        await zk.delete('/a', 1)
        await zk.create('/a', null)
        const { stat } = await zk.get('/a')
        expect(stat.version).toBe(0)
        expect(stat.czxid).toBeGreaterThan(before.mzxid)
      })

      test('children: names, not paths, sorted', async () => {
        const zk = await coordination()
        await createAll(zk, '/a', '/a/c', '/a/b', '/a/b/x', '/a/10', '/a/9')
        expect(await zk.children('/a')).toEqual(['10', '9', 'b', 'c'])
        expect(await zk.children('/a/c')).toEqual([])
      })

      test('children: five thousand of them: all are listed', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        const names = Array.from({ length: 5000 }, (_, index) => `child-${String(index).padStart(5, '0')}`)
        await Promise.all(names.map(each => zk.create(`/a/${each}`, null)))
        expect(await zk.children('/a')).toEqual(names)
      })

      test.each([
        '',
        'a',
        '/a/',
        '//a',
        '/a//b',
        '/a/./b',
        '/a/..',
        '/.',
        '/a\u0000',
        '/a\u001f',
        '/a\ud83d\ude00',
        '/a\uf000',
        '/a\uffff',
      ])('paths: %j: BAD_ARGUMENTS from every call', async path => {
        const zk = await coordination()
        await expectError(zk.create(path, null), 'BAD_ARGUMENTS', path)
        await expectError(zk.get(path), 'BAD_ARGUMENTS', path)
        await expectError(zk.exists(path), 'BAD_ARGUMENTS', path)
        await expectError(zk.set(path, null, AnyVersion), 'BAD_ARGUMENTS', path)
        await expectError(zk.delete(path, AnyVersion), 'BAD_ARGUMENTS', path)
        await expectError(zk.children(path), 'BAD_ARGUMENTS', path)
        await expectError(zk.multi([{ op: 'check', path, version: AnyVersion }]), 'BAD_ARGUMENTS', path)
      })

      test.each(['/a b', '/.a', '/..a', '/a.', '/größe', '/名前', '/a%2F', '/<default>', '/a:1'])(
        'paths: %j: a name like any other',
        async path => {
          const zk = await coordination()
          expect(await zk.create(path, bytes(path))).toBe(path)
          expect(await zk.children('/')).toEqual([path.slice(1)])
          expect((await zk.get(path)).data).toEqual(bytes(path))
        },
      )

      test('data: 800 KiB: written and read whole', async () => {
        const zk = await coordination()
        const data = Buffer.alloc(800 * 1024, 'millrace ')
        await zk.create('/a', data)
        expect((await zk.get('/a')).data.equals(data)).toBe(true)
        await zk.set('/a', data.subarray(1), 0)
        expect((await zk.get('/a')).data.equals(data.subarray(1))).toBe(true)
      })

      test('data: above the limit of a request: BAD_ARGUMENTS, the session lives on', async () => {
        const zk = await coordination()
        await expectError(zk.create('/a', Buffer.alloc(1024 * 1024)), 'BAD_ARGUMENTS', '/a')
        await zk.create('/a', null)
        expect(zk.session?.generation).toBe(1)
      })
    })

    describe('stat', () => {
      test('create: zxids and times agree, counters are zero', async () => {
        const zk = await coordination()
        await zk.create('/a', bytes('four'))
        const { stat } = await zk.get('/a')
        expect(stat).toMatchObject({
          version: 0,
          childVersion: 0,
          aclVersion: 0,
          ephemeralOwner: 0n,
          dataLength: 4,
          childCount: 0,
        })
        expect([stat.mzxid, stat.pzxid]).toEqual([stat.czxid, stat.czxid])
        expect(stat.czxid).toBeGreaterThan(0)
        expect(stat.modifiedMs).toBe(stat.createdMs)
        expect(stat.createdMs).toBeGreaterThan(Date.UTC(2001))
      })

      test('set: mzxid and version grow, czxid and pzxid stay', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        const before = await statOf(zk, '/a')
        const after = await zk.set('/a', bytes('x'), 0)
        expect(after.mzxid).toBeGreaterThan(before.mzxid)
        expect(after).toMatchObject({ czxid: before.czxid, pzxid: before.pzxid, version: 1, dataLength: 1 })
        expect(await statOf(zk, '/a')).toEqual(after)
      })

      test('children: creating and deleting them moves childVersion, pzxid and childCount only', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        const before = await statOf(zk, '/a')
        await zk.create('/a/b', null)
        const created = await statOf(zk, '/a')
        expect(created).toEqual({ ...before, childVersion: 1, childCount: 1, pzxid: (await statOf(zk, '/a/b')).czxid })
        await zk.delete('/a/b', 0)
        const deleted = await statOf(zk, '/a')
        expect(deleted).toEqual({ ...before, childVersion: 2, childCount: 0, pzxid: deleted.pzxid })
        expect(deleted.pzxid).toBeGreaterThan(created.pzxid)
      })

      test('grandchildren and data of children: the grandparent stays as it was', async () => {
        const zk = await coordination()
        await createAll(zk, '/a', '/a/b')
        const before = await statOf(zk, '/a')
        await zk.create('/a/b/c', null)
        await zk.set('/a/b', bytes('x'), 0)
        expect(await statOf(zk, '/a')).toEqual(before)
      })

      test('zxids: writes of two clients by turns: strictly growing', async () => {
        const [one, two] = [await coordination(), await coordination()]
        const zxids: number[] = []
        for (let index = 0; index < 5; index++) {
          await one.create(`/one-${index}`, null)
          zxids.push((await statOf(one, `/one-${index}`)).czxid)
          await two.create(`/two-${index}`, null)
          zxids.push((await statOf(two, `/two-${index}`)).czxid)
        }
        expect(zxids).toEqual([...new Set(zxids)].sort((left, right) => left - right))
      })
    })

    describe('sequential names', () => {
      test('create: ten digits that count up, not used again after a deletion', async () => {
        const zk = await coordination()
        await zk.create('/q', null)
        expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000000')
        expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000001')
        await zk.delete('/q/n-0000000001', 0)
        expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000002')
      })

      test('create: children with names of their own count too', async () => {
        const zk = await coordination()
        await createAll(zk, '/q', '/q/a', '/q/b')
        expect(await zk.create('/q/n-', null, { mode: 'persistent-sequential' })).toBe('/q/n-0000000002')
      })

      test('create: prefix that ends with a slash: the name is the number', async () => {
        const zk = await coordination()
        await zk.create('/q', null)
        expect(await zk.create('/q/', null, { mode: 'persistent-sequential' })).toBe('/q/0000000000')
      })

      test('create: ephemeral and sequential: numbered and owned', async () => {
        const zk = await coordination()
        await zk.create('/q', null)
        const path = await zk.create('/q/n-', null, { mode: 'ephemeral-sequential' })
        expect(path).toBe('/q/n-0000000000')
        expect((await statOf(zk, path)).ephemeralOwner).toBe(zk.session?.id)
      })

      test('multi: several in one transaction: consecutive numbers in the results', async () => {
        const zk = await coordination()
        await zk.create('/q', null)
        const create: Operation = { op: 'create', path: '/q/n-', data: null, mode: 'persistent-sequential' }
        expect(await zk.multi([create, create])).toEqual([{ path: '/q/n-0000000000' }, { path: '/q/n-0000000001' }])
      })

      test('create: two clients at once: no number twice', async () => {
        const [one, two] = [await coordination(), await coordination()]
        await one.create('/q', null)
        const paths = await Promise.all(
          Array.from({ length: 100 }, (_, index) =>
            (index % 2 === 0 ? one : two).create('/q/n-', null, { mode: 'persistent-sequential' }),
          ),
        )
        expect(new Set(paths).size).toBe(100)
        expect((await one.children('/q')).at(-1)).toBe('n-0000000099')
      })
    })

    describe('multi', () => {
      test('every kind of operation: all applied, one result each', async () => {
        const zk = await coordination()
        await createAll(zk, '/checked', '/set', '/deleted')
        const results = await zk.multi([
          { op: 'check', path: '/checked', version: 0 },
          { op: 'create', path: '/created', data: bytes('new') },
          { op: 'set', path: '/set', data: bytes('changed'), version: 0 },
          { op: 'delete', path: '/deleted', version: 0 },
        ])
        expect(results).toEqual([{}, { path: '/created' }, { stat: await statOf(zk, '/set') }, {}])
        expect(await zk.children('/')).toEqual(['checked', 'created', 'set'])
        expect((await zk.get('/set')).data).toEqual(bytes('changed'))
      })

      test('all operations: one zxid', async () => {
        const zk = await coordination()
        await zk.multi([
          { op: 'create', path: '/a', data: null },
          { op: 'create', path: '/b', data: null },
        ])
        expect((await statOf(zk, '/a')).czxid).toBe((await statOf(zk, '/b')).czxid)
      })

      test.each<[CoordinationErrorCode, string, Operation]>([
        ['BAD_VERSION', 'check of version 0 that is 1', { op: 'check', path: '/one', version: 0 }],
        ['BAD_VERSION', 'set of version 0 that is 1', { op: 'set', path: '/one', data: null, version: 0 }],
        ['BAD_VERSION', 'delete of version 0 that is 1', { op: 'delete', path: '/one', version: 0 }],
        ['NO_NODE', 'check of a missing path', { op: 'check', path: '/missing', version: 0 }],
        ['NO_NODE', 'check of any version of a missing path', { op: 'check', path: '/missing', version: AnyVersion }],
        ['NO_NODE', 'set of a missing path', { op: 'set', path: '/missing', data: null, version: AnyVersion }],
        ['NODE_EXISTS', 'create of a path that is there', { op: 'create', path: '/one', data: null }],
        ['NOT_EMPTY', 'delete of a parent', { op: 'delete', path: '/parent', version: AnyVersion }],
      ])('one fails: %s: %s: failedIndex, nothing applied', async (code, _what, failing) => {
        const zk = await coordination()
        await createAll(zk, '/one', '/parent', '/parent/child', '/set', '/deleted')
        await zk.set('/one', null, 0)
        const before = await snapshotOf(zk)
        const operations: Operation[] = [
          { op: 'create', path: '/created', data: null },
          { op: 'set', path: '/set', data: bytes('x'), version: 0 },
          { op: 'delete', path: '/deleted', version: 0 },
          failing,
          { op: 'create', path: '/later', data: null },
        ]
        const error = await expectError(zk.multi(operations), code, failing.path)
        expect(error.failedIndex).toBe(3)
        expect(await snapshotOf(zk)).toEqual(before)
      })

      test('first operation fails: failedIndex 0', async () => {
        const zk = await coordination()
        const operations: Operation[] = [
          { op: 'check', path: '/missing', version: 0 },
          { op: 'create', path: '/a', data: null },
        ]
        expect((await expectError(zk.multi(operations), 'NO_NODE')).failedIndex).toBe(0)
      })

      test('later operations see earlier ones: parent then child, create then set at version 0', async () => {
        const zk = await coordination()
        const results = await zk.multi([
          { op: 'create', path: '/a', data: null, mode: 'ephemeral' },
          { op: 'set', path: '/a', data: bytes('x'), version: 0 },
          { op: 'create', path: '/p', data: null },
          { op: 'create', path: '/p/c', data: null },
          { op: 'delete', path: '/p/c', version: 0 },
          { op: 'check', path: '/a', version: 1 },
        ])
        expect(results[1]?.stat).toMatchObject({ version: 1, dataLength: 1, ephemeralOwner: zk.session?.id })
        expect(results[1]?.stat?.czxid).toBe(results[1]?.stat?.mzxid)
        expect(await statOf(zk, '/p')).toMatchObject({ childCount: 0, childVersion: 2 })
      })

      test('no operations: no results', async () => {
        const zk = await coordination()
        expect(await zk.multi([])).toEqual([])
      })

      test('two thousand operations: all applied', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        await zk.multi(
          Array.from({ length: 2000 }, (_, index): Operation => ({
            op: 'create',
            path: `/a/${index}`,
            data: bytes('x'),
          })),
        )
        expect((await statOf(zk, '/a')).childCount).toBe(2000)
      })

      test('above the limit of a request: BAD_ARGUMENTS, nothing applied, the session lives on', async () => {
        const zk = await coordination()
        const operations = Array.from({ length: 20 }, (_, index): Operation => ({
          op: 'create',
          path: `/${index}`,
          data: Buffer.alloc(50_000),
        }))
        await expectError(zk.multi(operations), 'BAD_ARGUMENTS')
        expect(await zk.children('/')).toEqual([])
        expect(zk.session?.generation).toBe(1)
      })

      test('a write fenced by an old version: fails, and the new owner writes', async () => {
        const [old, next] = [await coordination(), await coordination()]
        await createAll(old, '/epoch', '/state')
        const fenced = (zk: Coordination, epoch: number, data: string): Promise<unknown> =>
          zk.multi([
            { op: 'check', path: '/epoch', version: epoch },
            { op: 'set', path: '/state', data: bytes(data), version: AnyVersion },
          ])
        await fenced(old, 0, 'old')
        await next.set('/epoch', bytes('1'), 0)
        const error = await expectError(fenced(old, 0, 'zombie'), 'BAD_VERSION', '/epoch')
        expect(error.failedIndex).toBe(0)
        await fenced(next, 1, 'next')
        expect((await old.get('/state')).data).toEqual(bytes('next'))
      })
    })

    describe('ephemeral znodes', () => {
      test('create: the owner is the session', async () => {
        const zk = await coordination()
        await zk.create('/e', null, { mode: 'ephemeral' })
        expect((await statOf(zk, '/e')).ephemeralOwner).toBe(zk.session?.id)
        expect(zk.session?.id).not.toBe(0n)
      })

      test('create below one: NO_CHILDREN_FOR_EPHEMERALS', async () => {
        const zk = await coordination()
        await zk.create('/e', null, { mode: 'ephemeral' })
        await expectError(zk.create('/e/c', null), 'NO_CHILDREN_FOR_EPHEMERALS', '/e/c')
      })

      test('owner closes: gone when close resolves, watchers hear of it', async () => {
        const [owner, other] = [await coordination(), await coordination()]
        await owner.create('/e', null, { mode: 'ephemeral' })
        await owner.create('/p', null)
        const events = new Queue<WatchEvent>()
        await other.exists('/e', events.push)
        await owner.close()
        expect(await events.next()).toEqual({ type: 'deleted', path: '/e' })
        expect(await other.children('/')).toEqual(['p'])
      })

      test('owner dies: gone after the session timeout', async () => {
        const [owner, other] = [await connected({ sessionTimeoutMs: 1000 }), await coordination()]
        await owner.coordination.create('/e', null, { mode: 'ephemeral' })
        const events = new Queue<WatchEvent>()
        await other.exists('/e', events.push)
        owner.die()
        expect(await events.next()).toEqual({ type: 'deleted', path: '/e' })
      })

      test('connection breaks and comes back: still there, same owner', async () => {
        const owner = await connected()
        const sessions = listen(owner.coordination)
        await owner.coordination.create('/e', null, { mode: 'ephemeral' })
        const before = await statOf(owner.coordination, '/e')
        owner.cut()
        expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
        owner.heal()
        expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
        expect(await statOf(owner.coordination, '/e')).toEqual(before)
      })

      test('another client: may set and delete it', async () => {
        const [owner, other] = [await coordination(), await coordination()]
        await owner.create('/e', null, { mode: 'ephemeral' })
        await other.set('/e', bytes('x'), 0)
        await other.delete('/e', 1)
        expect(await owner.exists('/e')).toBeNull()
      })
    })

    describe('watches', () => {
      test('get: data set twice: called once', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await createAll(zk, '/a', '/end')
        const events = new Queue<WatchEvent>()
        await zk.get('/a', events.push)
        await zk.get('/end', events.push)
        await other.set('/a', null, 0)
        await other.set('/a', null, 1)
        await other.set('/end', null, 0)
        expect(await events.take(2)).toEqual([
          { type: 'data-changed', path: '/a' },
          { type: 'data-changed', path: '/end' },
        ])
      })

      test('get: deleted: called', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await zk.create('/a', null)
        const events = new Queue<WatchEvent>()
        await zk.get('/a', events.push)
        await other.delete('/a', 0)
        expect(await events.next()).toEqual({ type: 'deleted', path: '/a' })
      })

      test('exists: missing, then created: called', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        const events = new Queue<WatchEvent>()
        expect(await zk.exists('/a', events.push)).toBeNull()
        await other.create('/a', null)
        expect(await events.next()).toEqual({ type: 'created', path: '/a' })
      })

      test('exists: there, then set: called', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await zk.create('/a', null)
        const events = new Queue<WatchEvent>()
        await zk.exists('/a', events.push)
        await other.set('/a', null, 0)
        expect(await events.next()).toEqual({ type: 'data-changed', path: '/a' })
      })

      test('children: child created, child deleted: called for each registration; not for data or grandchildren', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await createAll(zk, '/a', '/a/b')
        const events = new Queue<WatchEvent>()
        await zk.children('/a', events.push)
        await other.set('/a', null, 0)
        await other.set('/a/b', null, 0)
        await other.create('/a/b/c', null)
        await other.create('/a/d', null)
        expect(await events.next()).toEqual({ type: 'children-changed', path: '/a' })
        expect(await zk.children('/a', events.push)).toEqual(['b', 'd'])
        await other.delete('/a/d', 0)
        expect(await events.next()).toEqual({ type: 'children-changed', path: '/a' })
        expect(events.waiting).toBe(0)
      })

      test('children: the parent itself is deleted: deleted, not children-changed', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await zk.create('/a', null)
        const events = new Queue<WatchEvent>()
        await zk.children('/a', events.push)
        await other.delete('/a', 0)
        expect(await events.next()).toEqual({ type: 'deleted', path: '/a' })
      })

      test('one function on data and children: a deletion calls it once', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await createAll(zk, '/a', '/end')
        const events = new Queue<WatchEvent>()
        await zk.get('/a', events.push)
        await zk.children('/a', events.push)
        await zk.get('/end', events.push)
        await other.delete('/a', 0)
        await other.set('/end', null, 0)
        expect(await events.take(2)).toEqual([
          { type: 'deleted', path: '/a' },
          { type: 'data-changed', path: '/end' },
        ])
      })

      test('several functions on one path: each is called', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await zk.create('/a', null)
        const [first, second] = [new Queue<WatchEvent>(), new Queue<WatchEvent>()]
        await zk.get('/a', first.push)
        await zk.exists('/a', second.push)
        await other.set('/a', null, 0)
        expect(await first.next()).toEqual({ type: 'data-changed', path: '/a' })
        expect(await second.next()).toEqual({ type: 'data-changed', path: '/a' })
      })

      test('get and children of a missing path: no watch is set', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        const events = new Queue<WatchEvent>()
        await expectError(zk.get('/a', events.push), 'NO_NODE')
        await expectError(zk.children('/a', events.push), 'NO_NODE')
        await zk.exists('/end', events.push)
        await createAll(other, '/a', '/a/b', '/end')
        expect(await events.next()).toEqual({ type: 'created', path: '/end' })
      })

      test('several changes: events in the order of the changes', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        const paths = Array.from({ length: 50 }, (_, index) => `/${index}`)
        const events = new Queue<WatchEvent>()
        await Promise.all(paths.map(path => zk.exists(path, events.push)))
        await Promise.all(paths.toReversed().map(path => other.create(path, null)))
        expect(await events.take(50)).toEqual(paths.toReversed().map(path => ({ type: 'created', path })))
      })

      test('one multi: an event per operation, in their order', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await createAll(zk, '/a', '/b')
        const events = new Queue<WatchEvent>()
        await zk.get('/a', events.push)
        await zk.get('/b', events.push)
        await zk.exists('/c', events.push)
        await zk.children('/', events.push)
        await other.multi([
          { op: 'set', path: '/b', data: null, version: 0 },
          { op: 'create', path: '/c', data: null },
          { op: 'delete', path: '/a', version: 0 },
        ])
        expect(await events.take(4)).toEqual([
          { type: 'data-changed', path: '/b' },
          { type: 'created', path: '/c' },
          { type: 'children-changed', path: '/' },
          { type: 'deleted', path: '/a' },
        ])
      })

      test('a multi that fails: nobody hears of it', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await createAll(zk, '/a', '/end')
        const events = new Queue<WatchEvent>()
        await zk.get('/a', events.push)
        await zk.get('/end', events.push)
        const operations: Operation[] = [
          { op: 'set', path: '/a', data: null, version: 0 },
          { op: 'check', path: '/a', version: 7 },
        ]
        await expectError(other.multi(operations), 'BAD_VERSION', '/a')
        await other.set('/end', null, 0)
        expect(await events.next()).toEqual({ type: 'data-changed', path: '/end' })
      })

      test('a read that shows the change: the watch has been called before its answer', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await zk.create('/a', null)
        for (let round = 0; round < 50; round++) {
          let hasFired = false
          await zk.get('/a', () => (hasFired = true))
          const written = other.set('/a', null, round)
          for (let seen = round; seen === round;) {
            seen = (await zk.get('/a')).stat.version
            expect({ seen, hasFired: seen === round ? false : hasFired }).toEqual({ seen, hasFired: seen !== round })
          }
          await written
        }
      })

      test('a read with a watch: its answer comes before the watch is called', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await zk.create('/a', null)
        for (let round = 0; round < 50; round++) {
          const events = new Queue<WatchEvent>()
          const order: string[] = []
          const read = zk.get('/a', event => {
            order.push('watch')
            events.push(event)
          })
          const write = other.set('/a', null, AnyVersion)
          const { stat } = await read
          order.push('answer')
          await write
          if (stat.version === round) await events.next()
          expect(order.slice(0, 2)).toEqual(stat.version === round ? ['answer', 'watch'] : ['answer'])
        }
      })

      test("one's own change: the watch is called before the answer to the write", async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        const order: string[] = []
        await zk.get('/a', () => order.push('watch'))
        await zk.set('/a', null, 0)
        order.push('answer')
        expect(order).toEqual(['watch', 'answer'])
      })

      test('a watcher that throws: others are called, the client goes on', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await createAll(zk, '/a', '/b')
        const events = new Queue<WatchEvent>()
        await zk.get('/a', () => {
          throw new Error('a broken watcher')
        })
        await zk.get('/b', events.push)
        await other.set('/a', null, 0)
        await other.set('/b', null, 0)
        expect(await events.next()).toEqual({ type: 'data-changed', path: '/b' })
        expect(await zk.children('/')).toEqual(['a', 'b'])
      })

      test('a watcher that reads and watches again: sees every change or the last', async () => {
        const [zk, other] = [await coordination(), await coordination()]
        await zk.create('/a', null)
        const versions = new Queue<number>()
        const follow = async (): Promise<void> => {
          versions.push((await zk.get('/a', () => void follow())).stat.version)
        }
        await follow()
        for (let version = 0; version < 20; version++) await other.set('/a', null, version)
        let last = await versions.next()
        while (last < 20) {
          const next = await versions.next()
          expect(next).toBeGreaterThan(last)
          last = next
        }
        expect(last).toBe(20)
      })

      test('changes while the connection is cut: told after it comes back', async () => {
        const [client, other] = [await connected(), await coordination()]
        const zk = client.coordination
        await createAll(zk, '/set', '/deleted', '/parent', '/gone', '/same', '/same/child')
        const sessions = listen(zk)
        const events = new Queue<WatchEvent>()
        for (const path of ['/set', '/deleted', '/same']) await zk.get(path, events.push)
        for (const path of ['/parent', '/gone', '/same']) await zk.children(path, events.push)
        for (const path of ['/created', '/never']) await zk.exists(path, events.push)
        client.cut()
        expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
        await other.set('/set', null, 0)
        await other.delete('/deleted', 0)
        await other.create('/parent/child', null)
        await other.delete('/gone', 0)
        await other.create('/created', null)
        client.heal()
        expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
        const told = await events.take(5)
        expect(told.map(event => `${event.path} ${event.type}`).sort()).toEqual([
          '/created created',
          '/deleted deleted',
          '/gone deleted',
          '/parent children-changed',
          '/set data-changed',
        ])
        await other.set('/same', null, 0)
        expect(await events.next()).toEqual({ type: 'data-changed', path: '/same' })
      })
    })

    describe('sessions', () => {
      test('connect: established once, with id, password, timeout and generation 1', async () => {
        const client = await newClient()
        const sessions = listen(client.coordination)
        expect(client.coordination.session).toBeNull()
        expect(client.coordination.isConnected).toBe(false)
        await client.coordination.connect()
        await client.coordination.connect()
        expect(sessions.all()).toEqual([{ type: 'established', generation: 1 }])
        expect(client.coordination.isConnected).toBe(true)
        expect(client.coordination.session).toMatchObject({ generation: 1, timeoutMs: 4000 })
        expect(client.coordination.session?.password).toHaveLength(16)
      })

      test('two clients: different sessions', async () => {
        const [one, two] = [await coordination(), await coordination()]
        expect(one.session?.id).not.toBe(two.session?.id)
      })

      test('before connect: NOT_CONNECTED', async () => {
        const { coordination: zk } = await newClient()
        await expectError(zk.get('/a'), 'NOT_CONNECTED', '/a')
        await expectError(zk.create('/a', null), 'NOT_CONNECTED', '/a')
      })

      test('while the connection is cut: NOT_CONNECTED at once, the session is still named', async () => {
        const client = await connected()
        const sessions = listen(client.coordination)
        const session = client.coordination.session
        client.cut()
        expect(await sessions.next()).toEqual({ type: 'suspended', generation: 1 })
        expect(client.coordination.isConnected).toBe(false)
        expect(client.coordination.session?.id).toBe(session?.id)
        await expectError(client.coordination.create('/a', null), 'NOT_CONNECTED', '/a')
        client.heal()
        expect(await sessions.next()).toEqual({ type: 'resumed', generation: 1 })
        expect(client.coordination.session?.id).toBe(session?.id)
        expect(await client.coordination.exists('/a')).toBeNull()
      })

      test('the server ends the session: suspended, expired, established with the next generation', async () => {
        const client = await connected()
        const sessions = listen(client.coordination)
        const before = client.coordination.session
        await client.coordination.create('/e', null, { mode: 'ephemeral' })
        await client.endSession()
        expect(await sessions.take(3)).toEqual([
          { type: 'suspended', generation: 1 },
          { type: 'expired', generation: 1 },
          { type: 'established', generation: 2 },
        ])
        expect(client.coordination.session?.generation).toBe(2)
        expect(client.coordination.session?.id).not.toBe(before?.id)
        expect(await client.coordination.exists('/e')).toBeNull()
      })

      test('expired: no session and no requests until the listeners have settled', async () => {
        const client = await connected()
        const zk = client.coordination
        const sessions = listen(zk)
        const release = Promise.withResolvers<void>()
        const heard = Promise.withResolvers<void>()
        zk.onSessionEvent(async event => {
          if (event.type !== 'expired' || event.generation !== 1) return
          heard.resolve()
          await release.promise
        })
        await client.endSession()
        await heard.promise
        expect(zk.session).toBeNull()
        expect(zk.isConnected).toBe(false)
        await expectError(zk.create('/a', null), 'SESSION_EXPIRED', '/a')
        expect(sessions.all().at(-1)).toEqual({ type: 'expired', generation: 1 })
        release.resolve()
        await sessions.until(event => event.type === 'established')
        await zk.create('/a', null)
      })

      test('expired: watches are gone and are not called', async () => {
        const [client, other] = [await connected(), await coordination()]
        const zk = client.coordination
        await createAll(zk, '/a', '/end')
        const sessions = listen(zk)
        const events = new Queue<WatchEvent>()
        await zk.get('/a', events.push)
        await zk.children('/a', events.push)
        await client.endSession()
        await sessions.until(event => event.type === 'established')
        await zk.get('/end', events.push)
        await other.set('/a', null, 0)
        await other.set('/end', null, 0)
        expect(await events.next()).toEqual({ type: 'data-changed', path: '/end' })
      })

      test('cut for longer than the timeout: expired once without a word from the server, a new session afterwards', async () => {
        const client = await connected({ sessionTimeoutMs: 1000 })
        const zk = client.coordination
        const sessions = listen(zk)
        await zk.create('/e', null, { mode: 'ephemeral' })
        client.cut()
        expect(await sessions.take(2)).toEqual([
          { type: 'suspended', generation: 1 },
          { type: 'expired', generation: 1 },
        ])
        expect(zk.session).toBeNull()
        client.heal()
        expect(await sessions.next()).toEqual({ type: 'established', generation: 2 })
        await zk.create('/after', null)
        await zk.get('/e').catch(() => null)
        expect(sessions.waiting).toBe(0)
      })

      test('expired three times: every generation is told in order', async () => {
        const client = await connected()
        const sessions = listen(client.coordination)
        for (let generation = 1; generation <= 3; generation++) {
          await client.endSession()
          expect(await sessions.take(3)).toEqual([
            { type: 'suspended', generation },
            { type: 'expired', generation },
            { type: 'established', generation: generation + 1 },
          ])
        }
      })

      test('listeners: one throws, one rejects, one was removed: the others hear', async () => {
        const { coordination: zk } = await newClient()
        const removed = new Queue<SessionEvent>()
        zk.onSessionEvent(() => {
          throw new Error('a broken listener')
        })
        zk.onSessionEvent(() => Promise.reject(new Error('a broken listener')))
        zk.onSessionEvent(removed.push)()
        const sessions = listen(zk)
        await zk.connect()
        expect(await sessions.next()).toEqual({ type: 'established', generation: 1 })
        expect(removed.waiting).toBe(0)
      })

      test('close: later requests fail with CLOSED, once more is fine, no event', async () => {
        const client = await connected()
        const zk = client.coordination
        const sessions = listen(zk)
        await zk.close()
        await zk.close()
        expect(zk.session).toBeNull()
        expect(zk.isConnected).toBe(false)
        await expectError(zk.get('/a'), 'CLOSED', '/a')
        await expectError(zk.connect(), 'CLOSED')
        expect(sessions.all()).toEqual([])
      })

      test('close: before connect: resolves', async () => {
        const { coordination: zk } = await newClient()
        await zk.close()
        await expectError(zk.connect(), 'CLOSED')
      })

      test('close: while the connection is cut: resolves', async () => {
        const client = await connected()
        const sessions = listen(client.coordination)
        client.cut()
        await sessions.until(event => event.type === 'suspended')
        await client.coordination.close()
        await expectError(client.coordination.get('/a'), 'CLOSED')
      })

      test('close: requests sent before it: answered', async () => {
        const zk = await coordination()
        const created = zk.create('/a', null)
        const closed = zk.close()
        expect(await created).toBe('/a')
        await closed
        expect(await (await coordination()).exists('/a')).not.toBeNull()
      })
    })

    describe('order', () => {
      test('a thousand requests without waiting: applied and answered in order', async () => {
        const zk = await coordination()
        const answers: number[] = []
        const requests = Array.from({ length: 1000 }, async (_, index) => {
          await zk.create(`/${index}`, null)
          answers.push(index)
        })
        await Promise.all(requests)
        expect(answers).toEqual(Array.from({ length: 1000 }, (_, index) => index))
        const zxids = await Promise.all(answers.map(async index => (await statOf(zk, `/${index}`)).czxid))
        expect(zxids).toEqual(zxids.toSorted((left, right) => left - right))
      })

      test('reads and writes without waiting: each read sees the writes before it and none after', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        const versions: Promise<number>[] = []
        for (let version = 0; version < 100; version++) {
          void zk.set('/a', null, version)
          versions.push(zk.get('/a').then(({ stat }) => stat.version))
        }
        expect(await Promise.all(versions)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
      })

      test('errors and answers without waiting: in the order of the calls', async () => {
        const zk = await coordination()
        const order: string[] = []
        const note = (what: string) => (): void => void order.push(what)
        await Promise.all([
          zk.create('/a', null).then(note('created')),
          zk.create('/a', null).catch(note('exists')),
          zk.get('bad path').catch(note('bad path')),
          zk.exists('/a').then(note('seen')),
          zk.get('/b').catch(note('missing')),
          zk.delete('/a', 0).then(note('deleted')),
        ])
        expect(order.filter(what => what !== 'bad path')).toEqual(['created', 'exists', 'seen', 'missing', 'deleted'])
        expect(order).toContain('bad path')
      })

      test('ten clients add one to a counter with exact versions: no update is lost', async () => {
        const all = await Promise.all(Array.from({ length: 10 }, () => coordination()))
        await all[0]!.create('/counter', bytes('0'))
        const addOne = async (zk: Coordination): Promise<void> => {
          for (;;) {
            const { data, stat } = await zk.get('/counter')
            try {
              await zk.set('/counter', bytes(String(Number(data.toString()) + 1)), stat.version)
              return
            } catch (error) {
              if (!(error instanceof CoordinationError) || error.code !== 'BAD_VERSION') throw error
            }
          }
        }
        await Promise.all(all.map(zk => addOne(zk)))
        const { data, stat } = await all[0]!.get('/counter')
        expect([data.toString(), stat.version]).toEqual(['10', 10])
      })

      test('ten clients race for one ephemeral path: one wins', async () => {
        const all = await Promise.all(Array.from({ length: 10 }, () => coordination()))
        const won = await Promise.all(
          all.map(zk =>
            zk.create('/controller', null, { mode: 'ephemeral' }).then(
              () => true,
              () => false,
            ),
          ),
        )
        expect(won.filter(Boolean)).toHaveLength(1)
        expect((await statOf(all[0]!, '/controller')).ephemeralOwner).toBe(all[won.indexOf(true)]?.session?.id)
      })
    })

    describe('access', () => {
      const alice: Credential = { scheme: 'digest', auth: 'alice:secret' }
      /** base64(sha1('alice:secret')) */
      const aliceId = 'alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E='
      const ownedAcl: readonly Acl[] = [
        { scheme: 'auth', id: '', permissions: 31 },
        { scheme: 'world', id: 'anyone', permissions: 1 },
      ]

      test('create: default: open to all', async () => {
        const zk = await coordination()
        await zk.create('/a', null)
        expect((await zk.getAcl('/a')).acl).toEqual(openAcl)
      })

      test('create: creator all, world read: others read, and nothing else', async () => {
        const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
        await owner.create('/a', bytes('x'), { acl: ownedAcl })
        await owner.create('/a/b', null, { acl: ownedAcl })
        expect((await other.get('/a')).data).toEqual(bytes('x'))
        expect(await other.children('/a')).toEqual(['b'])
        await expectError(other.set('/a', null, 0), 'NO_AUTH', '/a')
        await expectError(other.create('/a/c', null), 'NO_AUTH', '/a/c')
        await expectError(other.delete('/a/b', 0), 'NO_AUTH', '/a/b')
        await expectError(other.setAcl('/a', openAcl, AnyVersion), 'NO_AUTH', '/a')
        await owner.set('/a', null, 0)
        await owner.delete('/a/b', 0)
      })

      test('create: no read for the world: NO_AUTH for every read of what is there', async () => {
        const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
        await owner.create('/a', bytes('x'), { acl: [{ scheme: 'auth', id: '', permissions: 31 }] })
        await expectError(other.get('/a'), 'NO_AUTH', '/a')
        await expectError(other.children('/a'), 'NO_AUTH', '/a')
        await expectError(other.getAcl('/a'), 'NO_AUTH', '/a')
        await expectError(other.exists('/a'), 'NO_AUTH', '/a')
        expect(await other.exists('/b')).toBeNull()
      })

      test('multi: one operation without permission: NO_AUTH with its index', async () => {
        const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
        await owner.create('/a', null, { acl: ownedAcl })
        const operations: Operation[] = [
          { op: 'create', path: '/b', data: null },
          { op: 'set', path: '/a', data: null, version: 0 },
        ]
        expect((await expectError(other.multi(operations), 'NO_AUTH', '/a')).failedIndex).toBe(1)
        expect(await other.exists('/b')).toBeNull()
      })

      test('getAcl: `auth` was replaced by the digest; who may not administer does not see the hash', async () => {
        const [owner, other] = [await coordination({ auth: [alice] }), await coordination()]
        await owner.create('/a', null, { acl: ownedAcl })
        const world: Acl = { scheme: 'world', id: 'anyone', permissions: 1 }
        expect((await owner.getAcl('/a')).acl).toEqual([{ scheme: 'digest', id: aliceId, permissions: 31 }, world])
        expect((await other.getAcl('/a')).acl).toEqual([{ scheme: 'digest', id: 'alice:x', permissions: 31 }, world])
      })

      test('a digest named in the ACL: lets in who proves it', async () => {
        const [creator, owner] = [await coordination(), await coordination({ auth: [alice] })]
        await creator.create('/a', bytes('x'), { acl: [{ scheme: 'digest', id: aliceId, permissions: 1 }] })
        expect((await owner.get('/a')).data).toEqual(bytes('x'))
        await expectError(creator.get('/a'), 'NO_AUTH', '/a')
        await expectError(owner.set('/a', null, 0), 'NO_AUTH', '/a')
      })

      test('setAcl: expected version 0: applied, aclVersion 1; again: BAD_VERSION', async () => {
        const zk = await coordination({ auth: [alice] })
        await zk.create('/a', null)
        const before = await statOf(zk, '/a')
        expect(await zk.setAcl('/a', ownedAcl, 0)).toEqual({ ...before, aclVersion: 1 })
        await expectError(zk.setAcl('/a', ownedAcl, 0), 'BAD_VERSION', '/a')
        expect((await zk.setAcl('/a', openAcl, AnyVersion)).aclVersion).toBe(2)
        await expectError(zk.setAcl('/b', openAcl, AnyVersion), 'NO_NODE', '/b')
      })

      test.each<[string, Acl[]]>([
        ['`auth` without credentials', [{ scheme: 'auth', id: '', permissions: 31 }]],
        ['unknown scheme', [{ scheme: 'nobody', id: 'x', permissions: 31 }]],
        ['digest that is none', [{ scheme: 'digest', id: 'alice', permissions: 31 }]],
        ['world, but not anyone', [{ scheme: 'world', id: 'someone', permissions: 31 }]],
        ['no entries', []],
      ])('ACL: %s: INVALID_ACL', async (_what, acl) => {
        const zk = await coordination()
        await zk.create('/b', null)
        await expectError(zk.create('/a', null, { acl }), 'INVALID_ACL', '/a')
        await expectError(zk.setAcl('/b', acl, AnyVersion), 'INVALID_ACL', '/b')
        await expectError(zk.multi([{ op: 'create', path: '/a', data: null, acl }]), 'INVALID_ACL', '/a')
      })

      test('credentials: still proved when the connection comes back, and in the next session', async () => {
        const client = await connected({ auth: [alice] })
        const zk = client.coordination
        const sessions = listen(zk)
        await zk.create('/a', null, { acl: [{ scheme: 'auth', id: '', permissions: 31 }] })
        const reads: Promise<unknown>[] = []
        zk.onSessionEvent(event => {
          if (event.type === 'resumed' || event.type === 'established') reads.push(zk.get('/a'))
        })
        client.cut()
        await sessions.until(event => event.type === 'suspended')
        client.heal()
        await sessions.until(event => event.type === 'resumed')
        await Promise.all(reads)
        await client.endSession()
        await sessions.until(event => event.type === 'established')
        await Promise.all(reads)
        expect(reads).toHaveLength(2)
      })
    })

    describe('chroot', () => {
      test('missing: made at connect, with the znodes above it', async () => {
        const below = await coordination({ chroot: `${chroot}/x/y` })
        expect(await below.children('/')).toEqual([])
        const above = await coordination()
        expect(await above.children('/x')).toEqual(['y'])
        await coordination({ chroot: `${chroot}/x/y` })
      })

      test('paths, results, events and errors: without it', async () => {
        const [below, above] = [await coordination({ chroot: `${chroot}/x` }), await coordination()]
        const events = new Queue<WatchEvent>()
        expect(await below.exists('/a', events.push)).toBeNull()
        await below.children('/', events.push)
        await above.create('/x/a', bytes('1'))
        expect(await events.take(2)).toEqual([
          { type: 'created', path: '/a' },
          { type: 'children-changed', path: '/' },
        ])
        expect(await below.create('/b', null)).toBe('/b')
        expect(await below.multi([{ op: 'create', path: '/c', data: null }])).toEqual([{ path: '/c' }])
        expect(await below.children('/')).toEqual(['a', 'b', 'c'])
        expect(await above.children('/x')).toEqual(['a', 'b', 'c'])
        await expectError(below.create('/a', null), 'NODE_EXISTS', '/a')
        await expectError(below.multi([{ op: 'delete', path: '/d', version: 0 }]), 'NO_NODE', '/d')
      })

      test('two of them, one the beginning of the other: apart', async () => {
        const [one, two] = [
          await coordination({ chroot: `${chroot}/x` }),
          await coordination({ chroot: `${chroot}/xy` }),
        ]
        const events = new Queue<WatchEvent>()
        await one.exists('/a', events.push)
        await two.create('/a', null)
        expect(await one.exists('/a')).toBeNull()
        await one.create('/a', null)
        expect(await events.next()).toEqual({ type: 'created', path: '/a' })
        expect(events.waiting).toBe(0)
      })

      test('after expiry: the next session has it too', async () => {
        const client = await connected({ chroot: `${chroot}/x` })
        const sessions = listen(client.coordination)
        await client.endSession()
        await sessions.until(event => event.type === 'established')
        expect(await client.coordination.create('/a', null)).toBe('/a')
        expect(await (await coordination()).children('/x')).toEqual(['a'])
      })
    })
  })
}

/** What arrives, in order; `next` waits for it. */
class Queue<T> {
  #items: T[] = []
  #waiters: ((item: T) => void)[] = []

  readonly push = (item: T): void => {
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#items.push(item)
    else waiter(item)
  }

  next(): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift()!)
    return new Promise(resolve => this.#waiters.push(resolve))
  }

  async take(count: number): Promise<T[]> {
    const items: T[] = []
    while (items.length < count) items.push(await this.next())
    return items
  }

  async until(isIt: (item: T) => boolean): Promise<T> {
    for (;;) {
      const item = await this.next()
      if (isIt(item)) return item
    }
  }

  /** What arrived and nobody took. */
  all(): readonly T[] {
    return this.#items
  }

  get waiting(): number {
    return this.#items.length
  }
}

function listen(zk: Coordination): Queue<SessionEvent> {
  const events = new Queue<SessionEvent>()
  zk.onSessionEvent(events.push)
  return events
}

async function expectError(
  promise: Promise<unknown>,
  code: CoordinationErrorCode,
  path?: string,
): Promise<CoordinationError> {
  const error = await promise.then(
    value => ({ resolved: value }),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CoordinationError)
  expect(error).toMatchObject(path === undefined ? { code } : { code, path })
  return error as CoordinationError
}

async function createAll(zk: Coordination, ...paths: string[]): Promise<void> {
  for (const path of paths) await zk.create(path, null)
}

async function statOf(
  zk: Coordination,
  path: string,
): Promise<NonNullable<Awaited<ReturnType<Coordination['exists']>>>> {
  const stat = await zk.exists(path)
  if (stat === null) throw new Error(`${path} is missing`)
  return stat
}

/** Everything below the chroot. */
async function snapshotOf(zk: Coordination, path = '/'): Promise<unknown> {
  const [{ data, stat }, names] = await Promise.all([zk.get(path), zk.children(path)])
  const children = await Promise.all(names.map(name => snapshotOf(zk, path === '/' ? `/${name}` : `${path}/${name}`)))
  return { path, data: data.toString('hex'), stat, children }
}

function bytes(text: string): Buffer {
  return Buffer.from(text)
}
