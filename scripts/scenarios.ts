// npm run scenarios [-- PATTERN]: test/scenarios with the durations of the real world (`npm test` runs short ones).
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { nodeFlags, root } from './pinned-node.js'

const patterns = process.argv.slice(2)
const { status } = spawnSync(
  process.execPath,
  [
    ...nodeFlags,
    join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    '--verbose',
    ...(patterns.length > 0 ? patterns : ['test/scenarios']),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, MILLRACE_SCENARIOS: 'long' } },
)
process.exit(status ?? 1)
