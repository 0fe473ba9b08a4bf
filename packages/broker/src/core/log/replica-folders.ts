/** A folder of a partition, as the listing of a log directory shows it. */
export interface ReplicaFolder {
  /** The entry of log.dirs. */
  readonly directory: string
  readonly topic: string
  readonly partition: number
  readonly state: 'current' | 'delete' | 'future' | 'stray'
  /** The hex digits in the name of a folder that is not current. */
  readonly uniqueHex: string
}

/** What a start does with the folders that it finds. Every folder is in one list, or in none: those are left alone. */
export interface FolderPlan<Folder extends ReplicaFolder> {
  /** Future logs that get the plain name now: their swap was half done. They are loaded as current ones. */
  readonly promoted: readonly Folder[]
  readonly current: readonly Folder[]
  /** Moves that go on. */
  readonly future: readonly Folder[]
  readonly discarded: readonly Folder[]
  /** Two current folders of one partition: nobody can tell which one is true. */
  readonly duplicates: readonly (readonly [Folder, Folder])[]
}

/**
 * A move ends with two renames: the current folder to `-delete`, then the future one to the plain name. Both carry the digits
 * of the future folder, so a kill between the two leaves a pair that nothing else makes, and the future log, which was complete
 * by then, takes the name. (Kafka renames in the other order and refuses to start when it finds two current folders.)
 */
export function planFolders<Folder extends ReplicaFolder>(found: readonly Folder[]): FolderPlan<Folder> {
  const inState = (state: ReplicaFolder['state']): Folder[] => found.filter(folder => folder.state === state)
  const leaving = new Set(inState('delete').map(pairKey))
  const current = new Map<string, Folder>()
  const future = new Map<string, Folder>()
  const promoted: Folder[] = []
  const discarded = inState('delete')
  const duplicates: [Folder, Folder][] = []
  for (const folder of inState('current')) {
    const other = current.get(partitionKey(folder))
    if (other === undefined) current.set(partitionKey(folder), folder)
    else duplicates.push([other, folder])
  }
  for (const folder of inState('future')) {
    const key = partitionKey(folder)
    const isHalfSwapped = leaving.has(pairKey(folder)) && !current.has(key)
    if (isHalfSwapped) {
      current.set(key, folder)
      promoted.push(folder)
    } else if (future.has(key) || current.get(key)?.directory === folder.directory) discarded.push(folder)
    else future.set(key, folder)
  }
  const isPromoted = new Set(promoted)
  // A pair may come after a future log of the same partition that was listed first: nothing moves into its own directory.
  for (const [key, folder] of future) {
    if (current.get(key)?.directory !== folder.directory) continue
    future.delete(key)
    discarded.push(folder)
  }
  return {
    promoted,
    current: [...current.values()].filter(folder => !isPromoted.has(folder)),
    future: [...future.values()],
    discarded,
    duplicates,
  }
}

function partitionKey({ topic, partition }: ReplicaFolder): string {
  return `${topic}-${partition}`
}

function pairKey(folder: ReplicaFolder): string {
  return `${partitionKey(folder)}.${folder.uniqueHex}`
}
