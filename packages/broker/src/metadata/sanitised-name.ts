/**
 * Users, client ids, addresses and principals as they stand in paths: what Java's URLEncoder gives for UTF-8, with
 * `*` escaped too and a space as %20. Letters, digits, `.`, `-` and `_` stay as they are.
 */
export function sanitise(name: string): string {
  // encodeURIComponent refuses a lone surrogate.
  return encodeURIComponent(name.toWellFormed()).replace(
    /[!'()*~]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** The name behind a sanitised one; text that is not properly escaped comes back as it is. */
export function desanitise(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name // Not ours, and a name all the same.
  }
}
