import { existsSync, readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { faults } from './faults/table.ts'

export interface ChaosOptions {
  readonly minutes: number
  readonly seed: number
  readonly json: boolean
  /** Where logs, histories and data go. */
  readonly folder: string | null
  readonly keep: boolean
  /** Kinds to choose from; null: all that can be had here. */
  readonly only: readonly string[] | null
}

export class BadOption extends Error {
  override readonly name = 'BadOption'
}

export const help = `npm run chaos -- [options]: random faults over three brokers and a ZooKeeper ensemble of three, under load, with everything checked

  --minutes M    how long (default 2). Faults change every 30 s, a quarter of the time is calm; every 2 minutes all heals,
                 everything is read back from every replica and the history of all calls is judged
  --seed N       which faults, when and for how long (default: drawn, and printed)
  --only A,B     choose from these faults only
  --list         names the faults
  --json         the summary as JSON on standard output; progress on standard error
  --folder DIR   an empty or new folder for logs, histories and data (default: a temporary folder)
  --keep         keep that folder also when all went well; a failure always keeps it
  --help         this

Exit code: 0 nothing was lost; 1 a promise was broken, see the summary and the folder; 2 a wrong option.
Needs java (ZooKeeper) and confluent-kafka for Python: \`npm test\` sets both up. As root also network cuts and full disks.

Examples:
  npm run chaos -- --minutes 60 --seed 7
  npm run chaos -- --minutes 10 --seed 7 --only kill-leader,zookeeper-down
  npm run chaos -- --minutes 5 --json > summary.json
`

export const showFaults = (): string =>
  `${Object.entries(faults)
    .map(
      ([kind, { doc, weight, needs }]) =>
        `  ${kind.padEnd(26)} ${doc} (weight ${weight}${needs === undefined ? '' : `; needs ${needs}`})`,
    )
    .join('\n')}\n`

/** Throws BadOption, with what to do instead. `null`: help or the list was asked for. */
export function parseChaosOptions(argv: readonly string[]): ChaosOptions | 'help' | 'list' {
  const values = read(argv)
  if (values.help === true) return 'help'
  if (values.list === true) return 'list'
  const minutes = Number(values.minutes ?? '2')
  if (!(minutes > 0 && minutes <= 24 * 60))
    throw new BadOption(`--minutes: expected a number up to 1440, not ${values.minutes}`)
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new BadOption(`--seed: expected a whole number from 0, not ${values.seed}`)
  const only = values.only?.split(',') ?? null
  const unknown = only?.find(kind => faults[kind] === undefined)
  if (unknown !== undefined) throw new BadOption(`--only: there is no fault ${unknown}; --list names them`)
  // Histories and logs of an older run would be read as those of this one.
  if (values.folder !== undefined && existsSync(values.folder) && readdirSync(values.folder).length > 0)
    throw new BadOption(`--folder: ${values.folder} is not empty; remove it, or name another folder`)
  return { minutes, seed, json: values.json ?? false, folder: values.folder ?? null, keep: values.keep ?? false, only }
}

interface Values {
  readonly minutes?: string
  readonly seed?: string
  readonly only?: string
  readonly folder?: string
  readonly json?: boolean
  readonly keep?: boolean
  readonly help?: boolean
  readonly list?: boolean
}

function read(argv: readonly string[]): Values {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  const options = {
    minutes: text,
    seed: text,
    only: text,
    folder: text,
    json: flag,
    keep: flag,
    help: flag,
    list: flag,
  }
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: false }).values
  } catch (error) {
    throw new BadOption((error as Error).message, { cause: error })
  }
}
