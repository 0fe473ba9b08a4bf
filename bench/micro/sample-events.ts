import { seededRandom } from '@millrace/protocol/compression/seeded-random'

const types = ['click', 'view', 'purchase', 'scroll', 'login', 'logout']

/** JSON events, one per line, cut to `size` bytes: what topics are full of. The same for the same seed. */
export function sampleEvents(size: number, seed = 1): Buffer {
  const random = seededRandom(seed)
  const below = (end: number): number => Math.floor(random() * end)
  const lines: string[] = []
  for (let length = 0, id = 1_000_000; length < size; id++) {
    const event = {
      id,
      type: types[below(types.length)],
      user: `user-${below(5000)}`,
      ts: 1_700_000_000_000 + id * 37,
      page: `/products/${below(1000)}`,
      amount: below(100_000) / 100,
      session: below(2 ** 32).toString(16),
      ok: random() > 0.1,
    }
    lines.push(`${JSON.stringify(event)}\n`)
    length += lines.at(-1)!.length
  }
  return Buffer.from(lines.join('')).subarray(0, size)
}
