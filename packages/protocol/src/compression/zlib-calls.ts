/** What the synchronous calls of node:zlib answer with `info: true` (the types of @types/node do not know it). */
export interface Inflated {
  readonly buffer: Buffer
  /** `bytesWritten` is what was *consumed* of the input: where a stream ends, whatever follows it. */
  readonly engine: { readonly bytesWritten: number }
}

/**
 * The output chunk to ask node:zlib for: one that holds the whole expected output saves a concatenation (1.3 to 1.5 times as fast at 1 MiB),
 * but allocating 1 MiB for a small output costs more than the work (performance.md, section 3).
 */
export function chunkSizeFor(expectedBytes: number): number {
  return Math.min(Math.max(expectedBytes + 64, 1024), 1 << 20)
}

export function isOutputTooLarge(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE'
}

export function zlibReason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
