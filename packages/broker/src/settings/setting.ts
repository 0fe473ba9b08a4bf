/** Kafka's types of settings, as DescribeConfigs names them. */
export type SettingType = 'BOOLEAN' | 'STRING' | 'INT' | 'SHORT' | 'LONG' | 'DOUBLE' | 'LIST' | 'CLASS' | 'PASSWORD'

/**
 * - read-only: takes a restart;
 * - per-broker: may change while running, for one broker (KIP-226);
 * - cluster-wide: for all brokers at once, or for one.
 */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide'
export type Importance = 'HIGH' | 'MEDIUM' | 'LOW'

/** What a value has to be. `text` is how documentation writes it, `expectation` how an error says it. */
export interface Range {
  readonly text: string
  readonly expectation: string
  accepts(value: never): boolean
}

/**
 * - applied: `test` is the file that shows its effect;
 * - not yet: parsed and kept, without effect until `issue` is built;
 * - never: parsed, so that files written for Kafka are read, without effect by design.
 */
export type Status =
  | { readonly kind: 'applied'; readonly test: string }
  | { readonly kind: 'not yet'; readonly issue: string }
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
  (byDefault, facts) => ({ type, default: byDefault, ...facts }) as Setting<Nullable<typeof byDefault, Value>>

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
export const notYet = (issue: string): Status => ({ kind: 'not yet', issue })
export const never = (why: string): Status => ({ kind: 'never', why })

export const atLeast = (least: number): Range => ({
  text: `[${least},...]`,
  expectation: `Value must be at least ${least}`,
  accepts: (value: number) => value >= least,
})

export const between = (least: number, most: number): Range => ({
  text: `[${least},...,${most}]`,
  expectation: `Value must be between ${least} and ${most}`,
  accepts: (value: number) => value >= least && value <= most,
})

/** `between`, or one more value outside of it that stands for a default. */
export const betweenOr = (least: number, most: number, other: number): Range => ({
  text: `[${least},...,${most}] or ${other}`,
  expectation: `Value must be between ${least} and ${most} or ${other}`,
  accepts: (value: number) => (value >= least && value <= most) || value === other,
})

export const oneOf = (...words: readonly string[]): Range => ({
  text: `[${words.join(', ')}]`,
  expectation: `String must be one of: ${words.join(', ')}`,
  accepts: (value: string) => words.includes(value),
})

/** Every element of a LIST. */
export const eachOf = (...words: readonly string[]): Range => ({
  text: `[${words.join(', ')}]`,
  expectation: `each element must be one of: ${words.join(', ')}`,
  accepts: (value: readonly string[]) => value.every(element => words.includes(element)),
})

export const nonEmpty: Range = {
  text: 'non-empty',
  expectation: 'must not be empty',
  accepts: (value: string | readonly string[]) => value.length > 0,
}

export const throttledReplicasList: Range = {
  text: '[partitionId]:[brokerId],[partitionId]:[brokerId],...',
  expectation: "must be the literal '*' or a list of replicas in the form [partitionId]:[brokerId],[partitionId]:[brokerId],...",
  accepts: (value: readonly string[]) =>
    (value.length === 1 && value[0] === '*') || value.every(element => /^\d+:\d+$/.test(element)),
}
