/** A promise the code makes to itself. Its violation is a bug: it stops the broker, because a stopped broker loses availability, a wrong one data. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation'
}

/** Throws InvariantViolation when `condition` is false. `why` says why it must hold, in positive form. */
export function assert(condition: boolean, why: string): asserts condition {
  if (!condition) throw new InvariantViolation(why)
}
