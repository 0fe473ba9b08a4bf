/**
 * Echo through the frame transport, beside the way one would write it first ('data' events, Buffer.concat, one write per
 * answer), in one run: the server pinned to core 0, the load to core 1 where taskset exists. Compare the server's CPU time:
 * the rate is as much the load's.
 *   npm run bench -- micro/transport
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeFlags, root } from '../../scripts/pinned-node.js'

const servers = ['naive', 'transport-data', 'transport'] as const
const scenarios = [
  { name: '100 B, 1 connection x 1', size: 100, connections: 1, depth: 1 },
  { name: '100 B, 64 connections x 1', size: 100, connections: 64, depth: 1 },
  { name: '100 B, 8 connections x 16', size: 100, connections: 8, depth: 16 },
  { name: '11 KB, 4 connections x 4', size: 11_000, connections: 4, depth: 4 },
  { name: '1 MiB, 1 connection x 4', size: 1 << 20, connections: 1, depth: 4 },
] as const
const rounds = 3
const seconds = 0.7

interface Result {
  readonly requests: number
  readonly seconds: number
  readonly serverCpuMicros: number
}

const hasTaskset = spawnSync('taskset', ['--version']).status === 0

function start(core: number, role: string, args: readonly string[]): ChildProcess {
  const script = join(root, 'bench', 'micro', 'transport-echo.ts')
  const node = [process.execPath, ...nodeFlags, script, role, ...args]
  const [command, ...rest] = hasTaskset ? ['taskset', '-c', String(core), ...node] : node
  return spawn(command!, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', value => resolve(value as T))
    child.once('exit', code => reject(new Error(`exited with ${code}`)))
  })
}

async function measure(server: string, scenario: (typeof scenarios)[number]): Promise<Result> {
  const echo = start(0, server, [])
  const { port } = await message<{ port: number }>(echo)
  const { size, connections, depth } = scenario
  const load = start(1, 'load', [String(port), String(size), String(connections), String(depth), String(seconds)])
  await message(load) // warmed up
  echo.send('mark')
  await message(echo)
  const { requests, elapsed } = await message<{ requests: number; elapsed: number }>(load)
  echo.send('mark')
  const { cpuMicros } = await message<{ cpuMicros: number }>(echo)
  load.kill('SIGKILL')
  echo.kill('SIGKILL')
  return { requests, seconds: elapsed, serverCpuMicros: cpuMicros }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const table: Record<string, unknown>[] = []
console.log(
  `${'echo of'.padEnd(28)}${'server'.padEnd(16)}${'req/s'.padStart(10)}${'MB/s'.padStart(8)}${'server µs CPU/req'.padStart(20)}${'x naive'.padStart(9)}`,
)
for (const scenario of scenarios) {
  const results = new Map<string, Result[]>(servers.map(server => [server, []]))
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) results.get(server)!.push(await measure(server, scenario))
  }
  const cpuOf = (server: string): number =>
    median(results.get(server)!.map(({ serverCpuMicros, requests }) => serverCpuMicros / requests))
  for (const server of servers) {
    const rate = median(results.get(server)!.map(each => each.requests / each.seconds))
    const cpu = cpuOf(server)
    const ratio = cpuOf('naive') / cpu
    table.push({
      scenario: scenario.name,
      server,
      requestsPerSecond: rate,
      serverCpuMicros: cpu,
      cheaperThanNaive: ratio,
    })
    const columns = [
      rate.toFixed(0).padStart(10),
      ((rate * scenario.size) / 1e6).toFixed(0).padStart(8),
      cpu.toFixed(2).padStart(20),
      ratio.toFixed(2).padStart(9),
    ]
    console.log(`${scenario.name.padEnd(28)}${server.padEnd(16)}${columns.join('')}`)
  }
}
mkdirSync(join(root, 'bench', 'results'), { recursive: true })
writeFileSync(
  join(root, 'bench', 'results', 'transport.json'),
  `${JSON.stringify({ node: process.version, pinned: hasTaskset, table }, null, 2)}\n`,
)
