import { FileSuffix, parseFileName } from '@millrace/protocol/storage/file-names'
import type { SegmentFileName } from '@millrace/protocol/storage/file-names'
import type { LogContext } from './log-context.ts'
import { HeaderScan } from './header-scan.ts'

interface NamedFile extends SegmentFileName {
  readonly name: string
  readonly path: string
}

/**
 * Finishes or undoes what a stop interrupted (reference 4.7): removes `.deleted` and `.cleaned`; renames the `.swap` files of a finished
 * compaction over the segments that they replace; removes indexes that have no `.log`. The names of all that is there afterwards.
 */
export function clearLeftovers(context: LogContext, folder: string): string[] {
  const { files } = context.world
  let names = files.list(folder)
  if (segmentFilesOf(folder, names).some(({ transient }) => transient !== '')) {
    settleTransients(context, folder, names)
    names = files.list(folder)
  }
  const current = segmentFilesOf(folder, names)
  const logs = new Set(current.filter(({ suffix }) => suffix === FileSuffix.log).map(({ baseOffset }) => baseOffset))
  const orphans = new Set<string>()
  for (const { name, path, suffix, baseOffset } of current) {
    if (suffix === FileSuffix.producerSnapshot || logs.has(baseOffset)) continue
    context.logger.warn('index without a segment removed', { path })
    files.remove(path)
    orphans.add(name)
  }
  return orphans.size === 0 ? names : names.filter(name => !orphans.has(name))
}

function settleTransients(context: LogContext, folder: string, names: readonly string[]): void {
  const { files } = context.world
  const listed = segmentFilesOf(folder, names)
  const cleaned = listed.filter(({ transient }) => transient === FileSuffix.cleaned)
  // Swap files from the smallest unfinished output on belong to it (KAFKA-6264).
  const firstUnfinished = Math.min(...cleaned.map(({ baseOffset }) => baseOffset))
  const isUnfinished = (file: NamedFile): boolean =>
    file.transient === FileSuffix.swap && file.baseOffset >= firstUnfinished
  for (const file of listed) {
    if (file.transient === FileSuffix.deleted || file.transient === FileSuffix.cleaned || isUnfinished(file))
      files.remove(file.path)
  }
  finishSwap(
    context,
    folder,
    listed.filter(file => file.transient === FileSuffix.swap && !isUnfinished(file)),
  )
}

/** Files of segments and snapshots; everything else in the folder is somebody else's. */
function segmentFilesOf(folder: string, names: readonly string[]): NamedFile[] {
  return names.flatMap(name => {
    const parsed = parseFileName(name)
    return parsed === null ? [] : [{ ...parsed, name, path: `${folder}/${name}` }]
  })
}

/** The output of a compaction covers a range of offsets: segments in it were its input, and were not removed yet. */
function finishSwap(context: LogContext, folder: string, swap: readonly NamedFile[]): void {
  const { files } = context.world
  const logs = swap.filter(({ suffix }) => suffix === FileSuffix.log)
  if (logs.length > 0) {
    const start = Math.min(...logs.map(({ baseOffset }) => baseOffset))
    const end = Math.max(...logs.map(log => nextOffsetOf(context, log)))
    for (const file of segmentFilesOf(folder, files.list(folder))) {
      const isInput = file.transient === '' && file.suffix !== FileSuffix.producerSnapshot
      // Also where the output is empty, or has no transaction index: the old one would speak of transactions that are gone.
      const isReplaced = logs.some(({ baseOffset }) => baseOffset === file.baseOffset)
      if (isInput && (isReplaced || (file.baseOffset >= start && file.baseOffset < end))) files.remove(file.path)
    }
  }
  for (const file of swap) files.rename(file.path, file.path.slice(0, -FileSuffix.swap.length))
}

function nextOffsetOf(context: LogContext, log: NamedFile): number {
  const file = context.world.files.open(log.path, 'read')
  const window = context.bufferPool.take(64 * 1024)
  try {
    const scan = new HeaderScan(file, { position: 0, end: file.size(), window })
    let nextOffset = log.baseOffset
    while (scan.next()) nextOffset = scan.lastOffset + 1
    return nextOffset
  } finally {
    context.bufferPool.give(window)
    file.close()
  }
}
