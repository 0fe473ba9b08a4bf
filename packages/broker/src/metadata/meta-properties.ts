import { FileSystemError } from '@millrace/runtime/file-system-error'
import type { FileSystem } from '@millrace/runtime/ports'
import { formatProperties, parseProperties } from '../settings/properties.ts'
import { inPropertiesOrder } from './properties-order.ts'

/** What `meta.properties` says about a data folder: whose it is. */
export interface MetaProperties {
  readonly clusterId: string | null
  readonly brokerId: number | null
  /** Given by later Kafka versions; kept as it is. */
  readonly directoryId: string | null
}

export type MetaPropertiesProblem =
  /** The folder belongs to another cluster. */
  | 'FOREIGN_CLUSTER'
  /** Two folders belong to different brokers or clusters. */
  | 'FOLDERS_DISAGREE'
  /** The folder belongs to another broker than the configured one. */
  | 'OTHER_BROKER'
  /** Written by KRaft, or by something later. */
  | 'UNSUPPORTED_VERSION'
  | 'MALFORMED'

/** A data folder that this broker must not touch. */
export class UnusableDataFolder extends Error {
  override readonly name = 'UnusableDataFolder'
  readonly problem: MetaPropertiesProblem
  readonly path: string
  constructor(problem: MetaPropertiesProblem, path: string, why: string, cause?: unknown) {
    super(`${path}: ${why}`, { cause })
    this.problem = problem
    this.path = path
  }
}

const fileName = 'meta.properties'
const pathIn = (directory: string): string => `${directory}/${fileName}`

/** Null when the folder has no such file: it is new. Throws UnusableDataFolder; FileSystemError when it cannot be read. */
export function readMetaProperties(files: FileSystem, directory: string): MetaProperties | null {
  const path = pathIn(directory)
  if (files.stat(path) === null) return null
  let properties: ReadonlyMap<string, string>
  const content = files.readFile(path)
  try {
    properties = parseProperties(content)
  } catch (error) {
    throw new UnusableDataFolder('MALFORMED', path, 'is not a properties file', error)
  }
  checkVersion(path, properties)
  return {
    clusterId: properties.get('cluster.id') ?? null,
    brokerId: readBrokerId(path, properties),
    directoryId: properties.get('directory.id') ?? null,
  }
}

function checkVersion(path: string, properties: ReadonlyMap<string, string>): void {
  const version = properties.get('version')
  if (version === '0') return
  if (version === undefined || !/^\d+$/.test(version)) {
    throw new UnusableDataFolder(
      'MALFORMED',
      path,
      `has ${version === undefined ? 'no version' : `version ${version}`}`,
    )
  }
  const why = `has version ${version}: the folder was formatted by a KRaft broker, and Millrace keeps its metadata in ZooKeeper (version 0)`
  throw new UnusableDataFolder('UNSUPPORTED_VERSION', path, why)
}

function readBrokerId(path: string, properties: ReadonlyMap<string, string>): number | null {
  const text = properties.get('broker.id')
  if (text === undefined) return null
  if (!/^\d{1,10}$/.test(text)) throw new UnusableDataFolder('MALFORMED', path, `has broker.id ${text}`)
  return Number(text)
}

/** All or nothing, and on the disk when it returns. */
export function writeMetaProperties(
  files: FileSystem,
  directory: string,
  meta: MetaProperties & { readonly clusterId: string; readonly brokerId: number },
  wallMs: number,
): void {
  const properties = new Map([
    ['version', '0'],
    ['broker.id', String(meta.brokerId)],
    ['cluster.id', meta.clusterId],
  ])
  if (meta.directoryId !== null) properties.set('directory.id', meta.directoryId)
  const text = formatProperties(inPropertiesOrder(properties), { comment: '', wallMs })
  files.replaceFile(pathIn(directory), Buffer.from(text))
}

/** Data folders that have been found to belong to this broker and this cluster. */
export interface CheckedFolders {
  /** The broker id that they know; null when all of them are new. */
  readonly brokerId: number | null
  /** What each folder has; null for a new one. */
  readonly found: ReadonlyMap<string, MetaProperties | null>
}

/**
 * Makes the folders that are missing. Those that cannot be made or read, because their disk died, are apart: the broker goes on with the
 * others. Throws what the first one failed with when none is left.
 */
export function reachableFolders(
  files: FileSystem,
  directories: readonly string[],
): { readonly reachable: readonly string[]; readonly failed: ReadonlyMap<string, FileSystemError> } {
  const failed = new Map<string, FileSystemError>()
  for (const directory of directories) {
    try {
      files.makeDirectory(directory)
      if (files.stat(pathIn(directory)) !== null) files.readFile(pathIn(directory))
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error
      failed.set(directory, error)
    }
  }
  const reachable = directories.filter(directory => !failed.has(directory))
  const [first] = failed.values()
  if (reachable.length === 0 && first !== undefined) throw first
  return { reachable, failed }
}

/**
 * Reads `meta.properties` of all folders and compares them with each other, with the cluster and with the configured
 * broker id (-1: any). Folders that cannot be read at all are the caller's to leave out. Throws UnusableDataFolder.
 */
export function checkDataFolders(
  files: FileSystem,
  directories: readonly string[],
  expected: { readonly clusterId: string; readonly configuredBrokerId: number },
): CheckedFolders {
  const found = new Map<string, MetaProperties | null>()
  let first: { readonly directory: string; readonly brokerId: number } | null = null
  for (const directory of directories) {
    const meta = readMetaProperties(files, directory)
    found.set(directory, meta)
    if (meta === null) continue
    if (meta.clusterId !== null && meta.clusterId !== expected.clusterId) {
      const why = `belongs to cluster ${meta.clusterId}, and ZooKeeper holds cluster ${expected.clusterId}: either zookeeper.connect or log.dirs points to the wrong place`
      throw new UnusableDataFolder('FOREIGN_CLUSTER', pathIn(directory), why)
    }
    if (meta.brokerId === null) continue
    if (first !== null && first.brokerId !== meta.brokerId) {
      const why = `belongs to broker ${meta.brokerId}, and ${pathIn(first.directory)} to broker ${first.brokerId}: the folders of log.dirs are those of different brokers`
      throw new UnusableDataFolder('FOLDERS_DISAGREE', pathIn(directory), why)
    }
    if (expected.configuredBrokerId >= 0 && meta.brokerId !== expected.configuredBrokerId) {
      const why = `belongs to broker ${meta.brokerId}, and broker.id is ${expected.configuredBrokerId}: give this broker its own folder, or correct broker.id`
      throw new UnusableDataFolder('OTHER_BROKER', pathIn(directory), why)
    }
    first ??= { directory, brokerId: meta.brokerId }
  }
  return { brokerId: first?.brokerId ?? null, found }
}

/** Marks the folders that are new, or whose mark is incomplete, as this broker's. */
export function claimDataFolders(
  files: FileSystem,
  checked: CheckedFolders,
  owner: { readonly clusterId: string; readonly brokerId: number; readonly wallMs: number },
): void {
  const { clusterId, brokerId, wallMs } = owner
  for (const [directory, meta] of checked.found) {
    if (meta !== null && meta.clusterId !== null && meta.brokerId !== null) continue
    writeMetaProperties(files, directory, { clusterId, brokerId, directoryId: meta?.directoryId ?? null }, wallMs)
  }
}
