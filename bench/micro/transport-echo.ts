/** The two sides of transport.bench.ts, each a process of its own: `naive`, `transport` or `transport-data` echo, `load` asks. */
import net from 'node:net'
import { nodeWorld } from '@millrace/runtime/node/world'

const [role, ...args] = process.argv.slice(2)

if (role === 'load') await load(args.map(Number))
else if (role === 'naive') echoNaively()
else await echoFrames(role === 'transport' ? 'direct' : 'data')

async function echoFrames(receive: 'direct' | 'data'): Promise<void> {
  const { transport } = nodeWorld({ receive })
  const listener = await transport.listen({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: 64 << 20,
    accept: connection => ({
      onFrame: frame => {
        const size = frame.end - frame.start
        const prefix = Buffer.allocUnsafe(4)
        prefix.writeInt32BE(size)
        if (size < 1000) {
          connection.send([prefix, Buffer.from(frame.buffer.subarray(frame.start, frame.end))])
          return
        }
        const { buffer, start, end, release } = retained(frame.retain())
        connection.send([prefix, buffer.subarray(start, end)], release)
      },
      onClosed: () => {},
    }),
  })
  serve(listener.port)
}

function retained(frame: { buffer: Buffer; start: number; end: number; release(): void }): {
  buffer: Buffer
  start: number
  end: number
  release: () => void
} {
  const { buffer, start, end } = frame
  return { buffer, start, end, release: () => frame.release() }
}

function echoNaively(): void {
  const server = net.createServer({ noDelay: true }, socket => {
    let bytes: Buffer = Buffer.alloc(0)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const end = 4 + bytes.readInt32BE(0)
        socket.write(bytes.subarray(0, end))
        bytes = bytes.subarray(end)
      }
    })
  })
  server.listen(0, '127.0.0.1', () => serve((server.address() as net.AddressInfo).port))
}

/** Tells the parent the port, then the CPU time since the last mark whenever asked. */
function serve(port: number): void {
  let cpu = process.cpuUsage()
  process.on('message', () => {
    const { user, system } = process.cpuUsage(cpu)
    cpu = process.cpuUsage()
    process.send!({ cpuMicros: user + system })
  })
  process.send!({ port })
}

/** Keeps `depth` frames under way on each connection and counts the bytes that come back, which is all it does with them. */
async function load([port, size, connections, depth, seconds]: number[]): Promise<void> {
  const frame = Buffer.alloc(4 + size!)
  frame.writeInt32BE(size!)
  const scratch = Buffer.allocUnsafeSlow(1 << 20)
  const burst = Buffer.concat(Array.from({ length: depth! }, () => frame))
  let answered = 0
  for (let index = 0; index < connections!; index++) {
    let bytes = 0
    const onread = {
      buffer: scratch,
      callback: (count: number) => {
        bytes += count
        const complete = Math.floor(bytes / frame.length)
        bytes -= complete * frame.length
        answered += complete
        if (complete > 0) socket.write(burst.subarray(0, Math.min(complete, depth!) * frame.length))
        return true
      },
    }
    const socket = net.connect({ port: port!, host: '127.0.0.1', noDelay: true, onread })
    socket.on('error', () => socket.destroy())
    socket.once('connect', () => socket.write(burst))
  }
  await new Promise(resolve => setTimeout(resolve, 300))
  process.send!({ warm: true })
  const from = answered
  const begin = performance.now()
  await new Promise(resolve => setTimeout(resolve, seconds! * 1000))
  process.send!({ requests: answered - from, elapsed: (performance.now() - begin) / 1000 })
}
