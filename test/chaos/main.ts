// npm run chaos: see options.ts, or --help.
import { BadOption, help, parseChaosOptions, showFaults } from './options.ts'
import { runChaos } from './run.ts'
import { isGood, showSummary } from './summary.ts'

// Children end with this process (test/oracles/processes.ts), which must therefore end in an orderly way.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130))

process.exitCode = await main(process.argv.slice(2))
process.exit()

async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = parseChaosOptions(argv)
    if (options === 'help' || options === 'list') {
      process.stdout.write(options === 'help' ? help : showFaults())
      return 0
    }
    const summary = await runChaos(options, line => process.stderr.write(`${line}\n`))
    process.stdout.write(options.json ? `${JSON.stringify(summary, null, 2)}\n` : `${showSummary(summary)}\n`)
    if (isGood(summary)) return 0
    process.stderr.write(
      `FAILED. Again: npm run chaos -- --seed ${options.seed} --minutes ${options.minutes}\nlogs, histories and data: ${summary.folder}\n`,
    )
    return 1
  } catch (error) {
    if (!(error instanceof BadOption)) throw error
    process.stderr.write(`${error.message}\nnpm run chaos -- --help explains the options\n`)
    return 2
  }
}
