/**
 * The least that a Node program can do: what echo.c does, on the bare handles of Node's sockets, without streams, objects or a decoder. Prints its
 * port, then serves until it is killed. Undocumented all through (process.binding): to measure by, and for nothing else.
 */
import net from 'node:net'

interface Handle {
  onread(): void
  readStart(): void
  close(): void
  useUserBuffer(buffer: Uint8Array): void
  writeBuffer(request: object, bytes: Uint8Array): number
}
interface StreamBinding {
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly WriteWrap: new () => object
}

const binding = (process as unknown as { binding(name: string): StreamBinding }).binding('stream_wrap')
const { streamBaseState, kReadBytesOrError, WriteWrap } = binding
const request = Buffer.alloc(65_536)
const answer = Buffer.from('0000000a00000000000000000000', 'hex')

const server = net.createServer({ noDelay: true, pauseOnConnect: true }, socket => {
  const shell = socket as unknown as { _handle: Handle | null }
  const handle = shell._handle!
  shell._handle = null
  const write = new WriteWrap()
  handle.onread = () => {
    if (streamBaseState[kReadBytesOrError]! <= 0) return handle.close()
    request.copy(answer, 4, 8, 12)
    handle.writeBuffer(write, answer)
  }
  handle.useUserBuffer(request)
  handle.readStart()
})
server.listen(0, '127.0.0.1', 4096, () => console.log((server.address() as net.AddressInfo).port))
