// npm test [-- PATTERN…]: installs what is missing, then runs every check under the pinned Node.
import { ensureInstalled } from './install.js'

ensureInstalled()
process.argv.splice(2, 0, new URL('./test.ts', import.meta.url).pathname)
await import('./run.js')
