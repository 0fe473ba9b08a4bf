import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, unlinkSync, writeSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
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
  readonly p90Micros?: number
  readonly p99Micros?: number
  readonly p999Micros?: number
  readonly maxMicros?: number
  /** Of a fetcher. */
  readonly answersPerSecond?: number
  /** Cores that anything else used while the load ran. Above 0.1 the figures suffer. */
  readonly otherCpu: number
}

export type LoadProgram = 'produce' | 'fetch'

/** Whom a load is for: one broker, or the brokers of a cluster, partition p being led by the p-th of them (counted round). */
export interface LoadTarget {
  readonly ports: readonly number[]
  readonly pids: readonly number[]
  /** Is the generator alone on core 1? Three brokers and it share both cores. */
  readonly isPinned: boolean
  /** Does the generator go before everything else (SCHED_FIFO)? In an open loop what it is late itself would count as the broker's. Needs root, for chrt. */
  readonly isPunctual?: boolean
}

/** The C programs of bench/macro/load. */
export class LoadGenerator {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    for (const program of ['produce', 'fetch'] satisfies LoadProgram[]) {
      const source = join(root, 'bench', 'macro', 'load', `${program}.c`)
      execFileSync('gcc', ['-O2', '-Wall', '-o', join(folder, program), source])
    }
  }

  /** `args` after PORT and before BROKER_PID, `more` after it, as the usage lines in the sources say. */
  async run(
    program: LoadProgram,
    target: LoadTarget,
    args: readonly string[],
    more: readonly string[] = [],
  ): Promise<LoadResult> {
    const { ports, pids, isPinned, isPunctual = false } = target
    const brokersFrom = cpuSecondsOfAll(pids)
    const ownFrom = process.cpuUsage()
    const from = machineCpuSeconds()
    const { stdout } = await runProcess({
      name: program,
      command: isPunctual ? 'chrt' : 'taskset',
      args: [
        ...(isPunctual ? ['--fifo', '1', 'taskset'] : []),
        ...['-c', isPinned ? '1' : '0,1', join(this.#folder, program)],
        ...[ports.join(), ...args, pids.join(), ...more],
      ],
      timeoutMs: 120_000,
    })
    const to = machineCpuSeconds()
    const own = process.cpuUsage(ownFrom)
    const printed = JSON.parse(stdout.toString()) as Omit<LoadResult, 'otherCpu'>
    const elapsed = (to.busy + to.idle - from.busy - from.idle) / cpus().length
    const accounted = cpuSecondsOfAll(pids) - brokersFrom + printed.clientCpu * elapsed + (own.user + own.system) / 1e6
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

/**
 * A folder for the data of brokers. ext4 looks at every inode that was deleted in the last minutes before it hands one out, at 0.3 ms a
 * file where tests or topics have just gone, instead of 15 µs: so the folder is put where no files were (`chattr +T`), if that can be asked.
 */
export function workFolder(name: string): string {
  const parent = mkdtempSync(join(tmpdir(), `${name}-`))
  process.on('exit', () => rmSync(parent, { recursive: true, force: true }))
  try {
    execFileSync('chattr', ['+T', parent], { stdio: 'ignore' })
  } catch {
    // Another file system, or not allowed.
  }
  const folder = join(parent, 'data')
  mkdirSync(folder)
  return folder
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

const cpuSecondsOfAll = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + processCpuSeconds(pid), 0)

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
