import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProcess } from '../../test/oracles/processes.ts'
import { root } from '../../scripts/pinned-node.js'

/** What a C load generator prints, and beside it what else the machine did meanwhile. */
export interface LoadResult {
  readonly megabytesPerSecond: number
  readonly messagesPerSecond: number
  readonly megabytesPerBrokerCpuSecond: number
  /** Cores that the broker used: 1 is all it has. */
  readonly brokerCpu: number
  readonly clientCpu: number
  readonly errors: number
  /** Of a producer. */
  readonly requestsPerSecond?: number
  readonly brokerCpuMicrosPerRequest?: number
  readonly p50Micros?: number
  readonly p99Micros?: number
  /** Of a fetcher. */
  readonly answersPerSecond?: number
  /** Cores that anything else used while the load ran. Above 0.1 the figures suffer. */
  readonly otherCpu: number
}

export type LoadProgram = 'produce' | 'fetch'

/** The C programs of bench/macro/load, pinned to core 1. */
export class LoadGenerator {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    for (const program of ['produce', 'fetch'] satisfies LoadProgram[]) {
      const source = join(root, 'bench', 'macro', 'load', `${program}.c`)
      execFileSync('gcc', ['-O2', '-Wall', '-o', join(folder, program), source])
    }
  }

  /** `args` after PORT and before BROKER_PID, as the usage lines in the sources say. */
  async run(program: LoadProgram, broker: { port: number; pid: number }, args: readonly string[]): Promise<LoadResult> {
    const brokerFrom = processCpuSeconds(broker.pid)
    const ownFrom = process.cpuUsage()
    const from = machineCpuSeconds()
    const { stdout } = await runProcess({
      name: program,
      command: 'taskset',
      args: ['-c', '1', join(this.#folder, program), String(broker.port), ...args, String(broker.pid)],
      timeoutMs: 120_000,
    })
    const to = machineCpuSeconds()
    const own = process.cpuUsage(ownFrom)
    const printed = JSON.parse(stdout.toString()) as Omit<LoadResult, 'otherCpu'>
    const elapsed = (to.busy + to.idle - from.busy - from.idle) / cpus().length
    const accounted =
      processCpuSeconds(broker.pid) - brokerFrom + printed.clientCpu * elapsed + (own.user + own.system) / 1e6
    return { ...printed, otherCpu: Math.max(0, Number(((to.busy - from.busy - accounted) / elapsed).toFixed(2))) }
  }
}

/** Resolves when the machine has been idle for half a second, or after `secondsMax`. */
export async function untilQuiet(secondsMax: number): Promise<void> {
  for (const until = Date.now() + secondsMax * 1000; Date.now() < until;) {
    const from = machineCpuSeconds()
    await sleep(500)
    if ((machineCpuSeconds().busy - from.busy) / 0.5 < 0.1) return
  }
}

/**
 * Page-cache writes run at a tenth of the speed on guest memory that the host has yet to give, and what is freed goes back
 * to the host within seconds (free page reporting; performance.md, section 0): so touch what a load will need just before it.
 */
export function preheatMemory(folder: string, megabytes: number): void {
  const path = join(folder, 'preheat')
  const block = Buffer.alloc(1 << 20, 1)
  const file = openSync(path, 'w')
  for (let i = 0; i < megabytes; i++) writeSync(file, block)
  closeSync(file)
  unlinkSync(path)
}

const ticksPerSecond = 100

function machineCpuSeconds(): { busy: number; idle: number } {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.trim().split(/\s+/).slice(1, 9).map(Number)
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = fields
  return {
    busy: (user + nice + system + irq + softirq + steal) / ticksPerSecond,
    idle: (idle + iowait) / ticksPerSecond,
  }
}

/** User and system time of all threads of a process. */
export function processCpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Resident memory of a process in MB: all, and what is its own (not mapped from files, which brokers of one host share). */
export function residentMegabytes(pid: number): { all: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const of = (field: string): number => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024
  return { all: of('VmRSS'), anonymous: of('RssAnon') }
}
