// node scripts/run.js FILE [ARGS]: runs FILE (.ts or .js) under the pinned Node, with the flags of this repository.
import { constants } from 'node:os'
import { spawn } from 'node:child_process'
import { pinnedNode, nodeFlags } from './pinned-node.js'

const node = pinnedNode()
if (node === null) {
  console.error(
    'The pinned Node is not installed here. Run `npm install` in this folder, or `npm start`, which does it.',
  )
  process.exit(1)
}
const child = spawn(node, [...nodeFlags, ...process.argv.slice(2)], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
