import { join } from 'node:path'
import { root } from '../../../scripts/pinned-node.js'

/** The sources that the broker ships. */
export const coreFolder = join(root, 'packages', 'broker', 'src', 'core')
