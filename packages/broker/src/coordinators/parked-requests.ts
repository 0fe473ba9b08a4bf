/**
 * Who waits for an answer, by token. A token is never used twice, so an answer that comes twice finds nobody. Tokens are chosen so that each
 * has a place of its own in one array: a map whose entries come and go all the time is built anew all the time.
 */
export class ParkedRequests<OnReply> {
  #places: (OnReply | null)[] = new Array<OnReply | null>(64).fill(null)
  #tokens: number[] = new Array<number>(64).fill(-1)
  #nextToken = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  park(onReply: OnReply): number {
    if (this.#count * 2 >= this.#places.length) this.#grow()
    // Who waits for long keeps its place; those who come after it go around.
    while (this.#places[this.#placeOf(this.#nextToken)] !== null) this.#nextToken++
    const token = this.#nextToken++
    const place = this.#placeOf(token)
    this.#places[place] = onReply
    this.#tokens[place] = token
    this.#count++
    return token
  }

  /** Null: nobody waits under this token, any more. */
  take(token: number): OnReply | null {
    const place = this.#placeOf(token)
    if (this.#tokens[place] !== token) return null
    const onReply = this.#places[place]!
    this.#places[place] = null
    this.#tokens[place] = -1
    this.#count--
    return onReply
  }

  #placeOf(token: number): number {
    return token & (this.#places.length - 1)
  }

  /** Tokens that differ in their lower bits still do when one more of them counts. */
  #grow(): void {
    const places = this.#places
    const tokens = this.#tokens
    this.#places = new Array<OnReply | null>(places.length * 2).fill(null)
    this.#tokens = new Array<number>(places.length * 2).fill(-1)
    for (const [index, token] of tokens.entries()) {
      if (token < 0) continue
      this.#places[this.#placeOf(token)] = places[index]!
      this.#tokens[this.#placeOf(token)] = token
    }
  }
}
