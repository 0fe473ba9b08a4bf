import { eventually, startProcess, type RunningProcess } from '../../../test/oracles/processes.ts'
import { collectedMemory, type CollectedMemory } from './collected-memory.ts'

/** What connections that ask for something every few seconds cost a broker. */
export interface IdleCost {
  readonly requests: 'ApiVersions' | 'Heartbeat' | 'echo'
  readonly connections: number
  readonly residentMegabytes: number
  readonly brokerCpu: number
  readonly requestsPerSecond: number
  readonly cpuMicrosPerRequest: number
  readonly unsettled: number
}
export type IdleCostAndMemory = IdleCost & CollectedMemory

export interface IdleOptions {
  /** The members program. */
  readonly program: string
  readonly port: number
  readonly pid: number
  readonly count: number
  readonly seconds: number
  readonly settleSeconds: number
}

/**
 * The same connections to the same process, before and after they became members: first they only ask for ApiVersions, as often as members
 * send heartbeats. Memory is what is left after three forced collections, each time.
 */
export async function measureIdleMembers(
  options: IdleOptions,
): Promise<{ before: IdleCostAndMemory; after: IdleCostAndMemory }> {
  const running = start('idle', options)
  const costs: IdleCostAndMemory[] = []
  for (const _ of ['before', 'after']) {
    const line = await nextLine(running, costs.length)
    costs.push({ ...(JSON.parse(line) as IdleCost), ...(await collectedMemory(options.pid)) })
    running.child.stdin!.write('\n')
  }
  running.child.stdin!.end()
  await running.ended()
  return { before: costs[0]!, after: costs[1]! }
}

/** The same traffic, answered by a program that does nothing else. */
export async function measureEcho(options: IdleOptions): Promise<IdleCost> {
  const running = start('echo', options)
  const line = await nextLine(running, 0)
  running.child.stdin!.end()
  await running.ended()
  return JSON.parse(line) as IdleCost
}

function start(mode: 'idle' | 'echo', options: IdleOptions): RunningProcess {
  const { program, port, pid, count, seconds, settleSeconds } = options
  const args = [port, mode, count, seconds, 45_000, pid, 100, 3_000, settleSeconds]
  return startProcess({
    name: 'members',
    command: 'taskset',
    args: ['-c', '1', program, ...args.map(String)],
    stdin: 'pipe',
  })
}

async function nextLine(running: RunningProcess, index: number): Promise<string> {
  let line: string | undefined
  await eventually(async () => {
    const lines = running.output().split('\n').slice(0, -1)
    line = lines.filter(each => each.startsWith('{'))[index]
    return line !== undefined || running.exited
  }, 180_000)
  if (line === undefined) throw new Error(`members ended:\n${running.output()}`)
  return line
}
