/** Whether this process may compile strings: not under `--disallow-code-generation-from-strings` or such a content policy. */
export const canGenerateCode: boolean = probe()

function probe(): boolean {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- this is the question
    return new Function('return true')() === true
  } catch {
    return false
  }
}
