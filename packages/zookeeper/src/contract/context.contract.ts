import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals'
import type { Coordination, Credential } from '../coordination.ts'

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

/** What the tests of one implementation share: clients in a chroot of the test's own, closed when it ends. */
export interface ContractContext {
  readonly newClient: (options?: Partial<ContractClientOptions>) => Promise<ContractClient>
  readonly connected: (options?: Partial<ContractClientOptions>) => Promise<ContractClient>
  readonly coordination: (options?: Partial<ContractClientOptions>) => Promise<Coordination>
  readonly chroot: () => string
}

/** To be called inside a `describe`. */
export function contractContext(start: () => Promise<ContractServer>): ContractContext {
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

  const newClient: ContractContext['newClient'] = async options => {
    const client = await server.client({ chroot, sessionTimeoutMs: 4000, ...options })
    clients.push(client)
    return client
  }
  const connected: ContractContext['connected'] = async options => {
    const client = await newClient(options)
    await client.coordination.connect()
    return client
  }
  const coordination: ContractContext['coordination'] = async options => (await connected(options)).coordination
  return { newClient, connected, coordination, chroot: () => chroot }
}
