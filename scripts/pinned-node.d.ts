export const root: string
export function pinnedNode(): string | null
export const nodeFlags: readonly string[]
