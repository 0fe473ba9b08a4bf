import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** A request as it came: what the script decides on. */
export interface ScriptedRequest {
  readonly xid: number
  readonly type: number
  readonly connection: ScriptedConnection
}

/** How a real server never behaves: a script answers every request. It confirms every session and answers pings by itself. */
export class ScriptedServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #script: (request: ScriptedRequest) => void
  pingCount = 0
  sessionCount = 0

  private constructor(server: Server, script: (request: ScriptedRequest) => void) {
    this.#server = server
    this.#script = script
  }

  static async start(script: (request: ScriptedRequest) => void): Promise<ScriptedServer> {
    const server = createServer()
    const scripted = new ScriptedServer(server, script)
    server.on('connection', socket => scripted.#accept(socket))
    server.listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    return scripted
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(socket: Socket): void {
    const connection = new ScriptedConnection(socket)
    this.#sockets.add(socket)
    let buffered = Buffer.alloc(0)
    let isFirst = true
    socket.on('error', () => {})
    socket.on('data', bytes => {
      buffered = Buffer.concat([buffered, bytes])
      while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
        const frame = buffered.subarray(4, 4 + buffered.readInt32BE(0))
        buffered = buffered.subarray(4 + frame.length)
        if (isFirst) this.#confirmSession(frame, connection)
        else this.#onRequest(frame, connection)
        isFirst = false
      }
    })
  }

  #confirmSession(request: Buffer, connection: ScriptedConnection): void {
    this.sessionCount += 1
    const response = Buffer.alloc(4 + 4 + 8 + 4 + 16)
    response.writeInt32BE(request.readInt32BE(12), 4)
    response.writeBigInt64BE(77n, 8)
    response.writeInt32BE(16, 16)
    connection.send(response)
  }

  #onRequest(frame: Buffer, connection: ScriptedConnection): void {
    const [xid, type] = [frame.readInt32BE(0), frame.readInt32BE(4)]
    if (type !== pingType) return this.#script({ xid, type, connection })
    this.pingCount += 1
    connection.reply(xid, 0)
  }
}

export class ScriptedConnection {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  reply(xid: number, errorCode: number, payload: Uint8Array = Buffer.alloc(0)): void {
    const header = Buffer.alloc(16)
    header.writeInt32BE(xid, 0)
    header.writeBigInt64BE(1n, 4)
    header.writeInt32BE(errorCode, 12)
    this.send(Buffer.concat([header, payload]))
  }

  /** Answers the end of a session as servers do: a reply, and the end of the connection. */
  end(xid: number): void {
    this.reply(xid, 0)
    this.#socket.end()
  }

  /** Ends the connection behind what was sent. */
  hangUp(): void {
    this.#socket.end()
  }

  /** Sends a frame of these bytes. */
  send(bytes: Uint8Array): void {
    const length = Buffer.alloc(4)
    length.writeInt32BE(bytes.length)
    this.sendRaw(Buffer.concat([length, bytes]))
  }

  sendRaw(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }
}

/** Operation codes of ZooKeeper. */
export const createType = 1
export const existsType = 3
const pingType = 11
export const closeType = -11

/** A Stat of zeros. */
export const emptyStat = Buffer.alloc(68)
