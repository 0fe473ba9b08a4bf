// CRC-32C in WebAssembly SIMD against the JavaScript fall-back, in one run.
import { javascriptCrc32c } from '@millrace/protocol/compression/crc32c-javascript'
import { wasmCrc32c } from '@millrace/protocol/compression/crc32c-wasm'
import { randomBytes, seededRandom } from '@millrace/protocol/compression/seeded-random'
import { nanosecondsPerCall } from './timing.ts'

const wasm = wasmCrc32c()
const javascript = javascriptCrc32c()
console.log('bytes      wasm ns    GB/s     javascript ns    GB/s   ratio')
for (const size of [100, 400, 1024, 16 * 1024, 1024 * 1024]) {
  const bytes = randomBytes(seededRandom(size), size)
  if (wasm === null) throw new Error('this machine has no WebAssembly SIMD')
  const fast = nanosecondsPerCall(() => wasm(bytes, 0, size))
  const slow = nanosecondsPerCall(() => javascript(bytes, 0, size))
  const columns = [
    fast.toFixed(0),
    (size / fast).toFixed(2),
    slow.toFixed(0),
    (size / slow).toFixed(2),
    (slow / fast).toFixed(1),
  ]
  console.log(String(size).padEnd(10), columns.map((text, i) => text.padStart([8, 7, 17, 7, 7][i]!)).join(' '))
}
