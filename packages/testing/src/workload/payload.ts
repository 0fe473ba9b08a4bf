/**
 * What a load writes: `process:number:xxxx…x.`, its length and filling given by process and number, so that whoever reads a
 * value knows whether it is what was sent. test/load/python has the same rule.
 */
export function payloadOf(process: string, number: number): string {
  return `${process}:${number}:${'x'.repeat(fillingOf(number))}.`
}

/** The value's name in a history, `process:number`; or `torn:…` when it is not what was sent. */
export function nameOf(payload: string): string {
  const colon = payload.indexOf(':')
  const second = payload.indexOf(':', colon + 1)
  const number = Number(payload.slice(colon + 1, second))
  const process = payload.slice(0, colon)
  const isWhole = colon > 0 && second > colon && Number.isSafeInteger(number) && payload === payloadOf(process, number)
  return isWhole ? `${process}:${number}` : `torn:${payload.length}:${payload.slice(0, 60)}`
}

/** Different lengths, so that bytes in the wrong place do not look right. */
function fillingOf(number: number): number {
  return 40 + ((number * 37) % 160)
}
