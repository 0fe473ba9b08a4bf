/**
 * Asks for every item at once, but at most `limit` at a time: requests are pipelined (a round trip each would take 1,000
 * partitions a second), and what waits in memory stays bounded. Answers come in the order of the items; the first failure
 * is thrown when all that was begun has ended.
 */
export async function inFlight<Item, Answer>(
  items: readonly Item[],
  ask: (item: Item) => Promise<Answer>,
  limit: number = maxInFlight,
): Promise<Answer[]> {
  const answers: Answer[] = new Array<Answer>(items.length)
  let next = 0
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      answers[index] = await ask(items[index]!)
    }
  }
  const workers = Array.from({ length: Math.min(limit, items.length) }, () => work())
  const ended = await Promise.allSettled(workers)
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  return answers
}

const maxInFlight = 256
