// Plain JavaScript for any Node from 18 on: installs the dependencies when they are missing or older than the lock file.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedNode, root } from './pinned-node.js'

const stamp = join(root, 'node_modules', '.cache', 'millrace', 'installed')
const modified = path => (existsSync(path) ? statSync(path).mtimeMs : 0)

/** Exits with a clear message when the installation fails. Quick when nothing is missing. */
export function ensureInstalled() {
  if (modified(stamp) >= modified(join(root, 'package-lock.json')) && pinnedNode() !== null) return
  console.log('Installing dependencies (npm install), this happens once…')
  const startedMs = Date.now()
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  // Not `npm ci`: it insists on the optional packages of every platform in the lock file, and registries that mirror a part do not have them.
  // Not saved: npm would add to the lock file what it lacks of other platforms.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  const { status, error } = spawnSync(npm, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) {
    console.error(
      `npm ${args.join(' ')} failed${error ? `: ${error.message}` : ` with exit code ${status}`}. Check the network and the npm registry, then try again.`,
    )
    process.exit(1)
  }
  if (pinnedNode() === null) {
    console.error(
      `No pinned Node for ${process.platform} ${process.arch} came with the installation: npm left out the optional dependencies. Try: npm install --include=optional`,
    )
    process.exit(1)
  }
  mkdirSync(join(stamp, '..'), { recursive: true })
  writeFileSync(stamp, '')
  console.log(`Installed in ${Math.round((Date.now() - startedMs) / 1000)} s.`)
}
