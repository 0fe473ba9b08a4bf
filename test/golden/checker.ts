/** One entry of a vectors file: a line of a `.jsonl`, or the whole of a `.json`. */
export interface Vector {
  /** Line number from 1. */
  readonly line: number
  readonly value: Readonly<Record<string, unknown>>
}

export interface VectorFile {
  /** As given on the command line. */
  readonly path: string
  readonly vectors: readonly Vector[]
  /** Unpacked bytes of a file that lies beside `path` under another name (`log-dirs.tar.gz` beside `log-dirs.json`). Throws if there is none. */
  companion(name: string): Buffer
}

export interface Report {
  /** One vector of `type` was checked and found right. */
  passed(type: string): void
  /** One vector of `type` was checked and found wrong, or cannot be checked although its type is built. */
  failed(type: string, mismatch: { readonly line: number; readonly subject: string; readonly why: string }): void
  /** One vector of a type that Millrace does not have yet. */
  notBuilt(type: string): void
}

/** One format of shared vectors. A module `check-<format>.ts` in this folder exports one as `checker`; check.ts finds it there. */
export interface Checker {
  /** `messages`, `record-batches`… */
  readonly format: string
  /** Whether a file that begins with `first` has this format; only its shape counts, not the name of the file. */
  recognizes(first: Readonly<Record<string, unknown>>): boolean
  /** May throw: check.ts then counts the file as failed. */
  check(file: VectorFile, report: Report): void | Promise<void>
}
