import { SeededRandom } from '@millrace/testing/world/seeded-random'
import { oraclePath } from '../oracles/oracles.ts'
import { runProcess } from '../oracles/processes.ts'

export interface KeyedRecord {
  readonly offset: number
  readonly key: string
  /** Null: a tombstone. */
  readonly value: string | null
}

/** Everything that was written to a compacted topic of one partition, so that what must be left of it can be told to the record. */
export class KeyedTopic {
  readonly name: string
  readonly records: (KeyedRecord & { readonly isAborted: boolean })[] = []

  constructor(name: string) {
    this.name = name
  }

  add(record: KeyedRecord, isAborted = false): void {
    this.records.push({ ...record, isAborted })
  }

  /**
   * The log when it is compacted below `cleanedOffset`, and tombstones do not go yet: of each key the last committed record there; above,
   * everything, what was aborted only where `aborted` are shown.
   */
  left(cleanedOffset: number, aborted: 'hidden' | 'shown'): KeyedRecord[] {
    const last = new Map<string, number>()
    for (const { offset, key, isAborted } of this.records) {
      if (offset < cleanedOffset && !isAborted) last.set(key, offset)
    }
    return this.records
      .filter(({ offset, key, isAborted }) => {
        if (offset < cleanedOffset) return last.get(key) === offset
        return !isAborted || aborted === 'shown'
      })
      .map(({ offset, key, value }) => ({ offset, key, value }))
  }

  /** With kcat: `count` records, one in eight a tombstone. */
  async write(
    bootstrap: string,
    count: number,
    settings: readonly string[],
    { batchRecords = 20, moreValueBytes = 0, keys = 41 } = {},
  ): Promise<void> {
    const first = (this.records.at(-1)?.offset ?? -1) + 1
    const random = new SeededRandom(first)
    const records = Array.from({ length: count }, (_, index) => {
      const offset = first + index
      // Half of it can be compressed.
      const value =
        index % 8 === 7
          ? null
          : `${offset} ${Buffer.from(random.bytes(8 + (offset % 40) + moreValueBytes)).toString('hex')}`
      return { offset, key: `key-${(offset * 7919) % keys}`, value }
    })
    await kcat(
      bootstrap,
      ['-P', '-t', this.name, '-p', '0', '-K', ':', '-Z', ...settings, '-X', `batch.num.messages=${batchRecords}`],
      records.map(({ key, value }) => `${key}:${value ?? ''}\n`).join(''),
    )
    for (const record of records) this.add(record)
  }

  /** With kcat: what consumers see who read from the beginning. */
  async read(bootstrap: string): Promise<KeyedRecord[]> {
    const format = ['-e', '-q', '-X', 'check.crcs=true', '-f', '%o %S %k %s\\n']
    const text = await kcat(bootstrap, ['-C', '-t', this.name, '-p', '0', '-o', 'beginning', ...format])
    return text
      .split('\n')
      .filter(line => line !== '')
      .map(line => {
        const [offset = '', size = '', key = '', ...value] = line.split(' ')
        return { offset: Number(offset), key, value: size === '-1' ? null : value.join(' ') }
      })
  }
}

async function kcat(bootstrap: string, args: readonly string[], input?: string): Promise<string> {
  const { stdout } = await runProcess({
    ...{ name: 'kcat', command: oraclePath('kcat'), args: ['-b', bootstrap, ...args] },
    ...(input === undefined ? {} : { input }),
  })
  return stdout.toString()
}

/** Records as `kafka-dump-log --deep-iteration --print-data-log` prints them; markers are left out. */
export function dumpedRecords(lines: readonly string[]): KeyedRecord[] {
  return lines.flatMap(line => {
    const found = /^\| offset: (\d+) .* valueSize: (-?\d+) .*? key: (\S+)(?: payload: (.*))?$/.exec(line)
    if (found === null) return []
    const [, offset, size, key = '', value = ''] = found
    return [{ offset: Number(offset), key, value: size === '-1' ? null : value }]
  })
}
