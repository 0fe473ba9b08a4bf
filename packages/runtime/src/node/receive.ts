import net from 'node:net'
import type { ConnectionHome, SocketConnection } from './socket-connection.ts'

/** Undocumented parts of net.Socket that this file, and no other, relies on. */
interface Shell {
  _handle: unknown
}

interface AdoptedSocket {
  readonly socket: net.Socket
  /** Begins to read, once somebody is there to receive. */
  readonly start: () => void
}

/**
 * Where the next read goes and what becomes of it: while a frame is open, straight into its buffer; else into the input
 * buffer that all connections share. Node asks for the buffer after each read.
 */
export function directRead(home: ConnectionHome, connectionOf: () => SocketConnection | null): net.OnReadOpts {
  const input = home.shared.input
  return {
    buffer: () => connectionOf()?.assembler.target() ?? input,
    callback: (count, buffer) => {
      const connection = connectionOf()!
      const { assembler } = connection
      try {
        if (buffer === input) assembler.consume(input, 0, count)
        else assembler.filled(count)
      } catch (error) {
        connection.fail(error)
      }
      return true
    },
  }
}

/**
 * Makes an accepted socket read through `onread`, which Node offers for outgoing sockets only: the handle moves from the
 * socket that the server made (the shell) to one of ours. Works on Node 20 to 26 (reference/performance.md, 1a). The
 * shell must be destroyed with it, else the server counts the connection for ever. Where there is no handle to move,
 * or on demand, 'data' events do: every chunk is copied to its frame.
 */
export function adoptSocket(
  shell: net.Socket,
  receive: 'direct' | 'data',
  home: ConnectionHome,
  connectionOf: () => SocketConnection,
): AdoptedSocket {
  const handle = (shell as unknown as Shell)._handle
  if (receive === 'data' || handle === null || handle === undefined) {
    const start = (): void => {
      const connection = connectionOf()
      receiveByEvents(shell, connection)
      if (!connection.isPaused) shell.resume()
    }
    return { socket: shell, start }
  }
  ;(shell as unknown as Shell)._handle = null
  let isStarted = false
  const onread = directRead(home, () => (isStarted ? connectionOf() : null))
  const options = { handle, onread, manualStart: true, allowHalfOpen: true }
  const socket = new net.Socket(options as unknown as net.SocketConstructorOpts)
  socket.on('close', () => shell.destroy())
  const start = (): void => {
    isStarted = true
    if (!connectionOf().isPaused) socket.read(0)
  }
  return { socket, start }
}

/** The way that always works. */
export function receiveByEvents(socket: net.Socket, connection: SocketConnection): void {
  const { assembler } = connection
  socket.on('data', (chunk: Buffer) => {
    try {
      assembler.consume(chunk, 0, chunk.length)
    } catch (error) {
      connection.fail(error)
    }
  })
}
