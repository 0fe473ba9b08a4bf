const maxRelativeOffset = 0x7fffffff

/** What a grouping asks of a segment; sizes in bytes. */
export interface GroupedSegment {
  readonly baseOffset: number
  readonly size: number
  readonly offsetIndexSize: number
  readonly timeIndexSize: number
}

/**
 * Neighbours that compaction writes into one segment: as many as stay within the sizes of a segment and its indexes, even if nothing of them
 * could be dropped, and whose offsets the indexes can express. `endOffset` is where the last segment ends.
 */
export function segmentGroups<Segment extends GroupedSegment>(
  segments: readonly Segment[],
  limits: { segmentBytes: number; indexBytes: number; endOffset: number },
): Segment[][] {
  const groups: Segment[][] = []
  let group: Segment[] = []
  let [size, offsetIndexSize, timeIndexSize] = [0, 0, 0]
  for (const [index, segment] of segments.entries()) {
    const lastOffset = (segments[index + 1]?.baseOffset ?? limits.endOffset) - 1
    const first = group[0]
    const fits =
      first !== undefined &&
      size + segment.size <= limits.segmentBytes &&
      offsetIndexSize + segment.offsetIndexSize <= limits.indexBytes &&
      timeIndexSize + segment.timeIndexSize <= limits.indexBytes &&
      // An empty segment has no offsets; so no empty file stays behind every 2^31 of them.
      (segment.size === 0 || lastOffset - first.baseOffset <= maxRelativeOffset)
    if (!fits) {
      group = []
      groups.push(group)
      ;[size, offsetIndexSize, timeIndexSize] = [0, 0, 0]
    }
    group.push(segment)
    size += segment.size
    offsetIndexSize += segment.offsetIndexSize
    timeIndexSize += segment.timeIndexSize
  }
  return groups
}
