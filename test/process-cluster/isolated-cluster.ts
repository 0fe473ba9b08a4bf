import { join } from 'node:path'
import { NetworkNamespaces } from './network-namespaces.ts'
import { startProcessCluster, type ProcessCluster, type ProcessClusterOptions } from './process-cluster.ts'
import { SmallDisk } from './small-disk.ts'

export interface IsolatedClusterOptions extends Omit<ProcessClusterOptions, 'place' | 'zookeeperHosts'> {
  readonly folder: string
  /** A network of its own for each broker, if it can be had. */
  readonly network: boolean
  /** The two log folders of each broker are small disks, if they can be had; null: ordinary folders. */
  readonly diskMegabytes: number | null
}

/** A cluster of processes whose network and disks can be taken away. Both need root: null is what could not be had. */
export interface IsolatedCluster extends ProcessCluster {
  readonly network: NetworkNamespaces | null
  /** By broker: a disk per log folder. */
  readonly disks: ReadonlyMap<number, readonly SmallDisk[]> | null
  close(options?: { readonly keepData?: boolean }): Promise<void>
}

export async function startIsolatedCluster(options: IsolatedClusterOptions): Promise<IsolatedCluster> {
  const ids = Array.from({ length: options.brokers ?? 3 }, (_, i) => i + 1)
  const { folder, diskMegabytes } = options
  const network = options.network && NetworkNamespaces.whyNot() === null ? new NetworkNamespaces(ids) : null
  const logDirs = (id: number): string[] => ['a', 'b'].map(name => join(folder, `broker-${id}${name}`))
  const disks =
    diskMegabytes !== null && SmallDisk.whyNot() === null
      ? new Map(ids.map(id => [id, logDirs(id).map(directory => new SmallDisk(directory, diskMegabytes))]))
      : null
  const release = (keepData: boolean): void => {
    for (const disk of [...(disks?.values() ?? [])].flat()) disk.close({ keep: keepData })
    network?.close()
  }
  try {
    const cluster = await startProcessCluster({
      ...options,
      ...(network === null ? {} : { zookeeperHosts: network.zookeeperHosts }),
      place: id => ({
        ...(network === null ? {} : { host: network.hostOf(id), within: network.within(id) }),
        ...(disks === null ? {} : { logDirs: logDirs(id) }),
      }),
    })
    return {
      ...cluster,
      network,
      disks,
      async close({ keepData = false } = {}) {
        network?.heal()
        await cluster.close()
        release(keepData)
      },
    }
  } catch (error) {
    release(true)
    throw error
  }
}
