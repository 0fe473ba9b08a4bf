/** Kafka's types of settings, as DescribeConfigs names them. */
export type SettingType = 'BOOLEAN' | 'STRING' | 'INT' | 'SHORT' | 'LONG' | 'DOUBLE' | 'LIST' | 'CLASS' | 'PASSWORD'

/**
 * - read-only: takes a restart;
 * - per-broker: may change while running, for one broker (KIP-226);
 * - cluster-wide: for all brokers at once, or for one.
 */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide'
export type Importance = 'HIGH' | 'MEDIUM' | 'LOW'

/** What a value has to be; `text` is how documentation writes it. Asked only about values that are not null. */
export interface Range {
  readonly text: string
  /** Null when it is fine. `culprit` is the element to blame where the value is a list. */
  problem(value: never, key: string): RangeProblem | null
}
export interface RangeProblem {
  readonly why: string
  readonly culprit?: string
}

/**
 * - applied: `test` is the file that shows its effect;
 * - not yet: parsed and kept, without effect until `issue` is built; `meanwhile`: what whoever sets it must know;
 * - never: parsed, so that files written for Kafka are read, without effect by design.
 */
export type Status =
  | { readonly kind: 'applied'; readonly test: string }
  | { readonly kind: 'not yet'; readonly issue: string; readonly meanwhile?: string }
  | { readonly kind: 'never'; readonly why: string }

/** One row per setting: parser, documentation, DescribeConfigs and the static type come from it. `Value` is the type of its values. */
export interface Setting<Value> {
  readonly type: SettingType
  /** As Kafka would print it; null where the setting has none. */
  readonly default: string | null
  readonly range?: Range
  readonly update: UpdateMode
  readonly importance: Importance
  /** One sentence. */
  readonly doc: string
  readonly status: Status
  /** Not listed by DescribeConfigs. */
  readonly isInternal?: true
  /** May only be set while running (replication quotas), never in server.properties. */
  readonly isDynamicOnly?: true
  /** Of a topic's setting: the broker settings that stand in for it, the one that wins first. */
  readonly brokerSynonyms?: readonly string[]
  /** Carries the type only; no row has it. */
  readonly value?: Value
}

export type SettingRow = Setting<unknown>
export type ValueOf<Row> = Row extends Setting<infer Value> ? Value : never
export type ValuesOf<Rows> = { readonly [Name in keyof Rows]: ValueOf<Rows[Name]> }

/** A value that must not be shown. `reveal` is the only way to it. */
export class Secret {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  reveal(): string {
    return this.#text
  }
  toString(): string {
    return '[hidden]'
  }
  toJSON(): string {
    return '[hidden]'
  }
}

type Facts = Omit<SettingRow, 'type' | 'default' | 'value'>
type Nullable<Default, Value> = Default extends null ? Value | null : Value
type Text = string | null
type Build<Value> = <Default extends Text>(byDefault: Default, facts: Facts) => Setting<Nullable<Default, Value>>

const of =
  <Value>(type: SettingType): Build<Value> =>
  (byDefault, facts) =>
    ({ type, default: byDefault, ...facts }) as Setting<Nullable<typeof byDefault, Value>>

export const boolean = of<boolean>('BOOLEAN')
export const string = of<string>('STRING')
export const int = of<number>('INT')
export const short = of<number>('SHORT')
/** Values beyond the safe integers become the nearest safe one: they mean "without end". Their text is kept. */
export const long = of<number>('LONG')
export const double = of<number>('DOUBLE')
export const list = of<readonly string[]>('LIST')
export const className = of<string>('CLASS')
export const password = of<Secret>('PASSWORD')

export const applied = (test: string): Status => ({ kind: 'applied', test })
export const notYet = (issue: string, meanwhile?: string): Status => ({
  kind: 'not yet',
  issue,
  ...(meanwhile === undefined ? {} : { meanwhile }),
})
export const never = (why: string): Status => ({ kind: 'never', why })

export const atLeast = (least: number): Range => ({
  text: `[${least},...]`,
  problem: (value: number) => (value >= least ? null : { why: `Value must be at least ${least}` }),
})

export const between = (least: number, most: number): Range => ({
  text: `[${least},...,${most}]`,
  problem: (value: number) => {
    if (!(value >= least)) return { why: `Value must be at least ${least}` }
    return value <= most ? null : { why: `Value must be no more than ${most}` }
  },
})

/** `between`, or one more value outside of it that stands for a default. */
export const betweenOr = (least: number, most: number, other: number): Range => ({
  text: `[${least},...,${most}] or ${other}`,
  problem: (value: number) => {
    const fits = (value >= least && value <= most) || value === other
    return fits ? null : { why: `Value must be between ${least} and ${most} or equal to ${other}` }
  },
})

export const oneOf = (...words: readonly string[]): Range => ({
  text: `[${words.join(', ')}]`,
  problem: (value: string) => (words.includes(value) ? null : { why: `String must be one of: ${words.join(', ')}` }),
})

export const oneOfAnyCase = (...words: readonly string[]): Range => ({
  text: `(case insensitive) [${words.join(', ')}]`,
  problem: (value: string) =>
    words.includes(value.toUpperCase())
      ? null
      : { why: `String must be one of (case insensitive): ${words.join(', ')}` },
})

/** Every element of a LIST. */
export const eachOf = (...words: readonly string[]): Range => ({
  text: `[${words.join(', ')}]`,
  problem: (value: readonly string[]) => {
    const culprit = value.find(element => !words.includes(element))
    return culprit === undefined ? null : { culprit, why: `String must be one of: ${words.join(', ')}` }
  },
})

export const nonEmpty: Range = {
  text: 'non-empty',
  problem: (value: string | readonly string[]) => (value.length > 0 ? null : { why: 'must not be empty' }),
}

export const throttledReplicasList: Range = {
  text: '[partitionId]:[brokerId],[partitionId]:[brokerId],...',
  problem: (value: readonly string[], key) => {
    const fits = (value.length === 1 && value[0] === '*') || value.every(element => /^\d+:\d+$/.test(element))
    if (fits) return null
    const form = '[partitionId]:[brokerId],[partitionId]:[brokerId],...'
    const why = `${key} must be the literal '*' or a list of replicas in the following format: ${form}`
    return { culprit: `[${value.join(', ')}]`, why }
  },
}

/** `3.9`, `3.9-IV0`, `0.11.0-IV2`: what Kafka calls a metadata version. */
export const metadataVersion: Range = {
  text: 'any metadata version 0.8.0 .. 4.0-IV1 (short or full form)',
  problem: (value: string) =>
    /^(0\.(8\.[012]|9\.0|10\.[012]|11\.0)|[123]\.\d|4\.0)(\.\d+|-IV\d+|\.[A-Z]+\d*)*$/.test(value)
      ? null
      : { why: 'not a version of Kafka that is known' },
}
