import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** A way to one server that a test can break: by closing it, or by losing every byte. */
export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #way: 'open' | 'cut' | 'dropping' = 'open'

  private constructor(server: Server) {
    this.#server = server
  }

  static async to(target: { readonly port: number }): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true })
    const proxy = new TcpProxy(server)
    server.on('connection', client => proxy.#accept(client, target.port))
    server.listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connectionCount(): number {
    return this.#pairs.size
  }

  /** Connections break, and new ones break at once. */
  cut(): void {
    this.#way = 'cut'
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Connections stay and nothing arrives any more, in either direction: neither bytes nor the end of a connection. */
  drop(): void {
    this.#way = 'dropping'
  }

  heal(): void {
    // What was lost on a connection cannot be made good: it ends.
    if (this.#way === 'dropping') this.cut()
    this.#way = 'open'
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(client: Socket, port: number): void {
    if (this.#way === 'cut') return void client.destroy()
    const server = connect(port, '127.0.0.1')
    const pair = [client, server] as const
    this.#pairs.add(pair)
    this.#pipe(client, server, pair)
    this.#pipe(server, client, pair)
    client.resume()
  }

  #pipe(from: Socket, to: Socket, pair: readonly [Socket, Socket]): void {
    from.setNoDelay(true)
    from.on('data', bytes => {
      if (this.#way === 'open') to.write(bytes)
    })
    from.on('error', () => {})
    from.on('close', () => {
      if (this.#way === 'dropping') return
      this.#pairs.delete(pair)
      to.destroy()
    })
  }
}
