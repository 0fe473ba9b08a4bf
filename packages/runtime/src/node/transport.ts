import dns from 'node:dns'
import net from 'node:net'
import type { BufferPool } from '../buffer-pool.ts'
import type { ConnectOptions, FrameConnection, Listener, ListenOptions, Transport } from '../ports.ts'
import { TransportError } from '../transport-error.ts'
import { adoptSocket, directRead, receiveByEvents } from './receive.ts'
import { SharedBuffers } from './shared-buffers.ts'
import { SocketConnection, transportError } from './socket-connection.ts'
import type { ConnectionHome } from './socket-connection.ts'
import type { Turn } from './turn.ts'

/**
 * Half open: an answer of this turn still leaves when the peer has ended its side already; SocketConnection ends the other.
 * Keep-alive: idle connections are probed after two hours, the system's default, as Kafka's are.
 */
const socketOptions = { allowHalfOpen: true, noDelay: true, keepAlive: true } as const

/**
 * Frames over TCP. Node cannot set the size of a socket's kernel buffers, so `sendBufferBytes` and `receiveBufferBytes`
 * have no effect here: Linux tunes both by itself (net.ipv4.tcp_rmem, tcp_wmem), up to several MiB.
 */
export class NodeTransport implements Transport {
  readonly #home: ConnectionHome
  readonly #receive: 'direct' | 'data'

  constructor(options: { turn: Turn; pool: BufferPool; receive: 'direct' | 'data'; closeTimeoutMs: number }) {
    const { receive, ...home } = options
    this.#home = { ...home, shared: new SharedBuffers() }
    this.#receive = receive
  }

  listen(options: ListenOptions): Promise<Listener> {
    const server = net.createServer({ ...socketOptions, pauseOnConnect: true }, shell => {
      try {
        this.#accept(shell, options)
      } catch (error) {
        // One connection that cannot be served must not end the others.
        shell.destroy()
        options.onError?.(error instanceof Error ? error : new Error(String(error)))
      }
    })
    return new Promise((resolve, reject) => {
      const address = `${options.host}:${options.port}`
      const onFailure = (cause: Error & { code?: string }): void => {
        reject(new TransportError(cause.code ?? 'UNKNOWN', `Cannot listen on ${address}: ${cause.code}`, { cause }))
      }
      server.once('error', onFailure)
      server.listen(
        {
          host: options.host,
          port: options.port,
          exclusive: true,
          ...(options.backlog && { backlog: options.backlog }),
        },
        () => {
          server.off('error', onFailure)
          server.on('error', error => options.onError?.(transportError(error)))
          resolve(new NodeListener(server))
        },
      )
    })
  }

  #accept(shell: net.Socket, options: ListenOptions): void {
    const { socket, start } = adoptSocket(shell, this.#receive, this.#home, () => connection)
    const connection = new SocketConnection(socket, this.#home, options)
    try {
      const receiver = options.accept(connection)
      if (receiver === null) {
        connection.destroy()
        return
      }
      connection.deliverTo(receiver)
      start()
    } catch (error) {
      connection.destroy()
      throw error
    }
  }

  connect(options: ConnectOptions): Promise<FrameConnection> {
    const { host, port, timeoutMs, maxFrameBytes, signal } = options
    return new Promise((resolve, reject) => {
      let connection: SocketConnection | null = null
      const direct = this.#receive === 'direct'
      const reading = direct ? { onread: directRead(this.#home, () => connection) } : {}
      const socket = net.connect({ ...socketOptions, host, port, ...reading })
      const timer = setTimeout(() => {
        socket.destroy(new TransportError('TIMEOUT', `No connection to ${host}:${port} within ${timeoutMs} ms`))
      }, timeoutMs)
      const onAbort = (): void => {
        socket.destroy(new TransportError('ABORTED', `Connecting to ${host}:${port} was given up`))
      }
      const settle = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      const onFailure = (cause: Error): void => {
        settle()
        const { code } = transportError(cause)
        const message = cause instanceof TransportError ? cause.message : `Cannot connect to ${host}:${port}: ${code}`
        reject(new TransportError(code, message, { cause }))
      }
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort)
      socket.once('error', onFailure)
      socket.once('connect', () => {
        settle()
        socket.off('error', onFailure)
        connection = new SocketConnection(socket, this.#home, { maxFrameBytes })
        connection.deliverTo(options.receiver)
        if (!direct) receiveByEvents(socket, connection)
        resolve(connection)
      })
    })
  }

  resolve(host: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      dns.lookup(host, { all: true }, (cause, found) => {
        if (cause === null) return resolve(found.map(({ address }) => address))
        const code = cause.code ?? 'UNKNOWN'
        reject(new TransportError(code, `Cannot find an address of ${host}: ${code}`, { cause }))
      })
    })
  }
}

class NodeListener implements Listener {
  readonly host: string
  readonly port: number
  /** @internal looked into by tests only */
  readonly server: net.Server

  constructor(server: net.Server) {
    const address = server.address() as net.AddressInfo
    this.host = address.address
    this.port = address.port
    this.server = server
  }

  /** Node reports a server closed when its last connection ended; the port itself is free at once. */
  close(): Promise<void> {
    this.server.close()
    return new Promise(resolve => setImmediate(resolve))
  }
}
