import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/**
 * A network of its own for each broker: namespaces on one bridge, on which the clients and the ZooKeeper servers are too. Cuts are made
 * with neighbour entries: frames for a wrong hardware address arrive nowhere, and nobody is told. Needs root and iproute2.
 *
 *     clients .254 ─┐
 *     ZooKeeper .251 .252 .253 ─┴─ bridge 10.77.N.0/24 ── broker i: namespace, 10.77.N.i
 */
export class NetworkNamespaces {
  /** Why there can be none here; null: there can. */
  static whyNot(): string | null {
    if (process.platform !== 'linux') return 'network namespaces are Linux only'
    if (process.getuid?.() !== 0) return 'network namespaces need root'
    if (!run('ip', ['-V'])) return 'there is no `ip`: apt-get install -y iproute2'
    const name = `mrtry${process.pid}`
    const isPossible = run('ip', ['netns', 'add', name])
    run('ip', ['netns', 'del', name])
    return isPossible ? null : 'this system makes no network namespaces'
  }

  /** Why no packets can be lost here; null: they can. The kernel needs no netem for it, which many lack. */
  static whyNoLoss(): string | null {
    const why = NetworkNamespaces.whyNot()
    if (why !== null) return why
    if (!run('iptables', ['-V'])) return 'there is no `iptables`: apt-get install -y iptables'
    const name = `mrloss${process.pid}`
    run('ip', ['netns', 'add', name])
    const isPossible = run('ip', ['netns', 'exec', name, 'iptables', ...lossRule(0.5)])
    run('ip', ['netns', 'del', name])
    return isPossible ? null : 'iptables has no module `statistic` here'
  }

  readonly zookeeperHosts: readonly string[]
  private readonly network: number
  private readonly ids: readonly number[]
  private readonly cuts = new Set<string>()

  /** Several may stand at once, also of other processes: each takes a network that is free. */
  constructor(ids: readonly number[]) {
    this.ids = ids
    open.add(this)
    removeOrphans()
    this.network = takeNetwork()
    this.zookeeperHosts = [251, 252, 253].map(last => this.address(last))
    try {
      this.build()
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Where clients outside are seen to come from, and ZooKeeper's answers do not. */
  get clientHost(): string {
    return this.address(254)
  }

  hostOf(id: number): string {
    return this.address(id)
  }

  /** Stands before a command that is to run in the network of broker `id`. */
  within(id: number): readonly string[] {
    return ['ip', 'netns', 'exec', this.nameOf(id)]
  }

  /** From now on nothing that broker `from` sends arrives at `to`, a broker's id or an address. The other direction is as before. */
  cut(from: number, to: number | string): void {
    const address = typeof to === 'number' ? this.address(to) : to
    must('ip', ['-n', this.nameOf(from), ...neighbour('replace', address), 'lladdr', nobody, 'nud', 'permanent'])
    this.cuts.add(`${from} ${address}`)
  }

  /** What is sent to broker `to` by clients and ZooKeeper servers. */
  cutFromOutside(to: number): void {
    must('ip', [...neighbour('replace', this.address(to), this.bridge), 'lladdr', nobody, 'nud', 'permanent'])
    this.cuts.add(`0 ${this.address(to)}`)
  }

  /** From now on each packet that comes to broker `id`, from wherever, is lost with this probability. One such share at a time. */
  lose(id: number, share: number): void {
    must('ip', ['netns', 'exec', this.nameOf(id), 'iptables', ...lossRule(share)])
  }

  /** What comes to broker `id` arrives again. */
  loseNothing(id: number): void {
    must('ip', ['netns', 'exec', this.nameOf(id), 'iptables', '-F', 'INPUT'])
  }

  /** Packets that were lost on their way to broker `id` since `lose`. */
  lostOf(id: number): number {
    const { stdout } = spawnSync(
      'ip',
      ['netns', 'exec', this.nameOf(id), 'iptables', '-L', 'INPUT', '-v', '-x', '-n'],
      { encoding: 'utf8' },
    )
    return Number(/^\s*(\d+)\s+\d+\s+DROP/m.exec(stdout)?.[1] ?? 0)
  }

  /** All cuts, or those of this pair in this direction. */
  heal(from?: number, to?: number | string): void {
    const address = typeof to === 'number' ? this.address(to) : to
    for (const cut of this.cuts) {
      const [cutFrom = '', cutTo = ''] = cut.split(' ')
      if (from !== undefined && (Number(cutFrom) !== from || cutTo !== address)) continue
      if (cutFrom === '0') run('ip', neighbour('del', cutTo, this.bridge))
      else run('ip', ['-n', this.nameOf(Number(cutFrom)), ...neighbour('del', cutTo)])
      this.cuts.delete(cut)
    }
  }

  close(): void {
    open.delete(this)
    for (const id of this.ids) run('ip', ['netns', 'del', this.nameOf(id)])
    run('ip', ['link', 'del', this.bridge])
  }

  private build(): void {
    // The first one is where connections from outside come from.
    for (const last of [254, 251, 252, 253]) must('ip', ['addr', 'add', `${this.address(last)}/24`, 'dev', this.bridge])
    must('ip', ['link', 'set', this.bridge, 'up'])
    for (const id of this.ids) {
      const name = this.nameOf(id)
      const outside = `mv${this.network}-${id}`
      must('ip', ['netns', 'add', name])
      must('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', 'e0', 'netns', name])
      must('ip', ['link', 'set', outside, 'master', this.bridge, 'up'])
      must('ip', ['-n', name, 'addr', 'add', `${this.address(id)}/24`, 'dev', 'e0'])
      must('ip', ['-n', name, 'link', 'set', 'e0', 'up'])
      must('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    }
  }

  private get bridge(): string {
    return bridgeOf(this.network)
  }
  private address(last: number): string {
    return `10.77.${this.network}.${last}`
  }
  private nameOf(id: number): string {
    return `mr-${process.pid}-${this.network}-${id}`
  }
}

const open = new Set<NetworkNamespaces>()
process.on('exit', () => {
  for (const each of open) each.close()
})

/** A locally administered address that no interface has. */
const nobody = '02:00:00:00:ff:fe'

function lossRule(share: number): string[] {
  return ['-A', 'INPUT', '-m', 'statistic', '--mode', 'random', '--probability', String(share), '-j', 'DROP']
}

function neighbour(verb: 'replace' | 'del', address: string, device = 'e0'): string[] {
  return ['neigh', verb, address, 'dev', device]
}

const bridgeOf = (network: number): string => `mrb${network}`

/** Making the bridge takes the network: the kernel refuses a second one of that name. */
function takeNetwork(): number {
  for (let network = 1; network < 250; network++) {
    if (run('ip', ['link', 'add', bridgeOf(network), 'type', 'bridge'])) return network
  }
  throw new Error('no network 10.77.0.0/16 is free here, or bridges cannot be made')
}

/** What processes left that were killed: namespaces bear the number of theirs. */
function removeOrphans(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  for (const [name, pid, network] of stdout.matchAll(/^mr-(\d+)-(\d+)-\d+/gm)) {
    if (existsSync(`/proc/${pid}`)) continue
    run('ip', ['netns', 'del', name])
    run('ip', ['link', 'del', bridgeOf(Number(network))])
  }
}

function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr || String(error)}`)
}
