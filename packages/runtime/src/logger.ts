/** What the packages log to: pino in a program, silence or a recorder in a test. Constant message, structured fields. */
export interface Logger {
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  /** True when `debug` lines go somewhere: ask before building costly fields. */
  readonly isDebug: boolean
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger
}

export type LogFields = Readonly<Record<string, unknown>>

export const silentLogger: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  isDebug: false,
  child: () => silentLogger,
}
