/** What stands in an order: in one at a time. Both fields are the order's own. */
export interface Ordered<Member> {
  before: Member | null
  after: Member | null
}

/** A list of which members go to the end, thousands of times a second: a `Map` in that order makes a new table every few times. */
export class ReadOrder<Member extends Ordered<Member>> {
  private first: Member | null = null
  private last: Member | null = null

  add(member: Member): void {
    member.before = this.last
    if (this.last === null) this.first = member
    else this.last.after = member
    this.last = member
  }

  delete(member: Member): void {
    const { before, after } = member
    if (before === null) this.first = after
    else before.after = after
    if (after === null) this.last = before
    else after.before = before
    member.before = null
    member.after = null
  }

  moveToEnd(member: Member): void {
    if (this.last === member) return
    this.delete(member)
    this.add(member)
  }

  /** First to last. */
  list(): Member[] {
    const members: Member[] = []
    for (let member = this.first; member !== null; member = member.after) members.push(member)
    return members
  }
}
