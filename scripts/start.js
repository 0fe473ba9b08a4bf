// npm start [-- OPTIONS]: installs what is missing, then runs a cluster under the pinned Node.
import { ensureInstalled } from './install.js'

ensureInstalled()
process.argv.splice(2, 0, new URL('./start.ts', import.meta.url).pathname)
await import('./run.js')
