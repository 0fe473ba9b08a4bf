/** What names a session to a server, and lets another connection take it over. */
export interface SessionKey {
  readonly id: bigint
  readonly password: Uint8Array
}
