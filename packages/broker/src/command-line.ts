import type { Properties } from './settings/properties.ts'

/** What `millrace-broker` was asked to do. */
export interface CommandLine {
  readonly file: string
  readonly overrides: Properties
  /** Folder of the embedded coordination tree; null with a ZooKeeper ensemble. */
  readonly embedded: string | null
}

/** An argument that cannot be used; the message is for the one who typed it. */
export class BadArgument extends Error {
  override readonly name = 'BadArgument'
}

/**
 * `FILE [--override key=value]… [--embedded DIR]`. Throws BadArgument. The form that every service and script uses is
 * read here; whatever else was typed (help, `--override=…`, a mistake) is for yargs, which knows how to answer people and
 * takes 25 ms of processor time and 6 MB to load: a third of a start.
 */
export async function readCommandLine(argv: readonly string[]): Promise<CommandLine> {
  const { file, overrides, embedded } = plain(argv) ?? (await byYargs(argv))
  const properties = new Map<string, string>()
  for (const pair of overrides) {
    const equals = pair.indexOf('=')
    if (equals <= 0) throw new BadArgument(`--override ${pair}: expected key=value`)
    properties.set(pair.slice(0, equals).trim(), pair.slice(equals + 1))
  }
  return { file, overrides: properties, embedded }
}

interface Words {
  readonly file: string
  readonly overrides: readonly string[]
  readonly embedded: string | null
}

/** Null: not of the plain form. */
export function plain(argv: readonly string[]): Words | null {
  const overrides: string[] = []
  let file: string | null = null
  let embedded: string | null = null
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] as string
    if (word === '--override' || word === '--embedded') {
      const value = argv[++i]
      if (value === undefined || value.startsWith('-')) return null
      if (word === '--override') overrides.push(value)
      else if (embedded === null) embedded = value
      else return null
    } else if (word.startsWith('-') || word === '' || file !== null) return null
    else file = word
  }
  return file === null ? null : { file, overrides, embedded }
}

export async function byYargs(argv: readonly string[]): Promise<Words> {
  const { default: yargs } = await import('yargs')
  const parsed = await yargs([...argv])
    .scriptName('millrace-broker')
    .usage("$0 <server.properties> [--override key=value]…\n\nRuns one broker with Kafka's property names.")
    .command('$0 <file>', false, command =>
      command.positional('file', {
        type: 'string',
        demandOption: true,
        describe: "properties file, as Kafka's server.properties",
      }),
    )
    .option('override', {
      type: 'string',
      array: true,
      nargs: 1,
      default: [] as string[],
      describe: 'a property over those of the file: key=value',
    })
    .option('embedded', {
      type: 'string',
      describe:
        'folder of an embedded coordination tree instead of a ZooKeeper ensemble: for one machine and this one broker',
    })
    .example('$0 server.properties', 'joins the cluster of its zookeeper.connect')
    .example(
      '$0 server.properties --override broker.id=2 --override listeners=PLAINTEXT://:9093',
      'a second broker from the same file',
    )
    .strict()
    .help()
    .version(false)
    .wrap(null) // yargs breaks words in the middle where it wraps
    .parseAsync()
  return { file: parsed['file'] as string, overrides: parsed.override, embedded: parsed.embedded ?? null }
}
