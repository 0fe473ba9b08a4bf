/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  readonly key: string
  /** As given; null where the key is missing. Secrets come as `[hidden]`. */
  readonly value: string | null
  /** What would have been right. */
  readonly expectation: string
}

export type Report = (problem: ConfigProblem) => void

/** A broker cannot start with these settings: everything that is wrong, not only the first thing. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]
  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ key, value, expectation }) =>
      value === null ? `${key}: ${expectation}` : `${key}=${value}: ${expectation}`,
    )
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`
    super(`${count} in the configuration\n${lines.map(line => `  ${line}`).join('\n')}`)
    this.problems = problems
  }
}
