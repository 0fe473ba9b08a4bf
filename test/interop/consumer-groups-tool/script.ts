import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KafkaTool } from '../../oracles/kafka.ts'
import type { ToolShell } from '../tool-shell.ts'
import { firstMs, type Stage } from './stage.ts'

/** What is done one after another: the tool is called, or something happens beside it. */
type Step =
  | { readonly tool: string; /** Becomes `$file` in the command. */ readonly file?: string }
  | { readonly does: string; readonly act: (stage: Stage) => Promise<void> }

const reset = (more: string, file?: string): Step => ({
  tool: `--reset-offsets --group away ${more}`,
  ...(file === undefined ? {} : { file }),
})
const offsets: Step = { tool: '--describe --group away' }
const at = (minutes: number, seconds = 0): string => new Date(firstMs + (minutes * 60 + seconds) * 1000).toISOString()

/** `away` has offsets and no members, `active` two members, `gone` is not there. */
const steps: readonly Step[] = [
  { tool: '--list' },
  { does: 'offsets of a group without members', act: stage => stage.commit('away', { 'orders 0': 2, 'orders 1': 3, 'lines 0': 4 }) }, // prettier-ignore
  { does: 'a group with two members, offsets of another topic', act: async stage => {
    await stage.commit('active', { 'orders 0': 5, 'lines 0': 6 })
    await stage.join('active')
  } }, // prettier-ignore

  { tool: '--list' },
  { tool: '--list --state' },
  { tool: '--list --state Stable' },
  { tool: '--list --state empty,preparingrebalance' },
  { tool: '--list --state nonsense' },
  { tool: '--list --type' },
  { tool: '--list --type classic' },
  { tool: '--list --type consumer' },
  { tool: '--list --state --type' },

  { tool: '--describe --group away' },
  { tool: '--describe --group away --offsets' },
  { tool: '--describe --group away --offsets --verbose' },
  { tool: '--describe --group away --state' },
  { tool: '--describe --group away --members' },
  { tool: '--describe --group active' },
  { tool: '--describe --group active --offsets --verbose' },
  { tool: '--describe --group active --state' },
  { tool: '--describe --group active --state --verbose' },
  { tool: '--describe --group active --members' },
  { tool: '--describe --group active --members --verbose' },
  { tool: '--describe --group away --group active' },
  { tool: '--describe --all-groups' },
  { tool: '--describe --all-groups --state' },
  { tool: '--describe --all-groups --members' },
  { tool: '--describe --group gone' },
  { tool: '--describe --group gone --state' },

  reset('--to-earliest --topic orders --dry-run'),
  reset('--to-earliest --topic orders'),
  offsets,
  reset('--to-earliest --topic orders --execute'),
  offsets,
  reset('--to-latest --topic orders:0,1 --execute'),
  offsets,
  reset('--to-latest --all-topics --execute'),
  offsets,
  reset('--to-offset 7 --topic orders --topic lines --execute'),
  offsets,
  reset('--to-offset 99 --topic orders:2 --execute'),
  offsets,
  reset('--to-offset -5 --topic orders:1 --execute'),
  offsets,
  reset('--to-current --all-topics --dry-run'),
  reset('--shift-by 2 --topic lines:0 --execute'),
  reset('--shift-by -4 --topic lines --execute'),
  reset('--shift-by 100 --topic lines --execute'),
  reset('--shift-by -100 --topic lines --execute'),
  offsets,
  reset(`--to-datetime ${at(3)} --topic orders --execute`),
  reset(`--to-datetime ${at(3, 1).slice(0, -1)} --topic orders:1 --execute`),
  reset(`--to-datetime ${at(-10)} --topic orders:0 --execute`),
  reset('--to-datetime 2100-01-01T00:00:00.000 --topic orders:2 --execute'),
  reset('--to-datetime yesterday --topic orders --execute'),
  offsets,
  reset('--by-duration PT1H --topic lines --execute'),
  offsets,
  reset('--by-duration P20000D --topic lines --execute'),
  // Before 1970.
  reset('--by-duration P30000D --topic lines --execute'),
  offsets,
  reset('--to-current --all-topics --export'),
  reset('--to-earliest --all-topics --export --dry-run'),
  reset('--from-file $file --dry-run', '"orders",0,1\n"orders",2,4\n"lines",0,8\n'),
  offsets,
  reset('--from-file $file --execute', 'orders,0,1\norders,2,4\nlines,0,8\n'),
  offsets,
  reset('--from-file $file --execute', 'away,orders,1,6\nnew,orders,1,2\n'),
  offsets,
  { tool: '--reset-offsets --group away --group new --from-file $file --execute', file: 'away,orders,1,6\nnew,orders,1,2\n' }, // prettier-ignore
  { tool: '--describe --group new' },
  { tool: '--reset-offsets --all-groups --to-offset 1 --topic orders:0 --execute' },
  { tool: '--reset-offsets --all-groups --to-offset 1 --topic orders:0 --export' },
  { tool: '--reset-offsets --group fresh --to-latest --topic orders --execute' },
  { tool: '--describe --group fresh' },
  { tool: '--reset-offsets --group active --to-earliest --topic orders --execute' },
  { tool: '--describe --group active' },
  reset('--to-earliest --topic none --execute'),
  reset('--to-earliest --execute'),
  reset('--topic orders --execute'),
  reset('--to-earliest --to-latest --topic orders --execute'),
  { tool: '--reset-offsets --group never --to-current --all-topics --execute' },

  { tool: '--delete-offsets --group away --topic orders:0' },
  { tool: '--delete-offsets --group away --topic lines' },
  offsets,
  { tool: '--delete-offsets --group away --topic orders --topic none' },
  { tool: '--delete-offsets --group active --topic orders' },
  { tool: '--delete-offsets --group active --topic lines' },
  { tool: '--describe --group active --offsets' },
  { tool: '--delete-offsets --group gone --topic orders' },
  { tool: '--list --state' },

  { tool: '--delete --group fresh' },
  { tool: '--delete --group active' },
  { tool: '--delete --group gone' },
  { tool: '--delete --group new --group gone --group active' },
  { tool: '--list --state' },
  { tool: '--delete --all-groups' },
  { tool: '--list --state' },
]

/** Plays all steps on a fresh broker; gives back what the tool printed, without what no two brokers have alike. */
export async function transcript(stage: Stage, shell: ToolShell, bootstrap: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-consumer-groups-'))
  const file = join(folder, 'offsets.csv')
  const parts: string[] = []
  try {
    await stage.fill()
    for (const step of steps) {
      if ('act' in step) {
        await step.act(stage)
        parts.push(`# ${step.does}\n`)
        continue
      }
      if (step.file !== undefined) writeFileSync(file, step.file)
      const args = step.tool.split(' ').map(word => (word === '$file' ? file : word))
      const { output, code } = await shell.run(KafkaTool.groups, ['--bootstrap-server', bootstrap, ...args])
      const given = step.file === undefined ? '' : ` < ${JSON.stringify(step.file)}`
      parts.push(`$ ${step.tool}${given}\n${steady(output)}${code === 0 ? '' : `exit ${code}\n`}`)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return parts.join('\n')
}

/** One blank between columns; rows in a fixed order, names for ids and addresses; no stack traces, no manual. */
function steady(output: string): string {
  const all = output.split('\n')
  const manual = all.findIndex(line => /^Option\s+Description/.test(line))
  const lines = all
    .slice(0, manual < 0 ? all.length : manual)
    .filter(line => !/^\s+at |^\s*\.\.\. \d+ more|^\[20/.test(line))
    .map(line =>
      line
        .replace(/[\w.-]+-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'MEMBER')
        .replace(/127\.0\.0\.1:\d+|localhost:\d+/g, 'BROKER')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter(line => line !== '')
  return lines.toSorted().map(line => `${line}\n`).join('') // prettier-ignore
}
