/** Where clients or brokers connect: one listener of one broker. */
export interface Endpoint {
  /** Upper-case name, `PLAINTEXT` or one of the operator's own. */
  readonly listener: string
  /** Empty where a listener binds to every address. */
  readonly host: string
  readonly port: number
  readonly securityProtocol: SecurityProtocol
}

/** The index is the number that the wire uses. */
export const securityProtocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const
export type SecurityProtocol = (typeof securityProtocols)[number]

export const securityProtocolByName = (name: string): SecurityProtocol | undefined =>
  securityProtocols.find(protocol => protocol === name.toUpperCase())
export const securityProtocolId = (protocol: SecurityProtocol): number => securityProtocols.indexOf(protocol)

/** `NAME://host:port`; an IPv6 address stands in brackets. */
export function endpointText(endpoint: Omit<Endpoint, 'securityProtocol'>): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `${endpoint.listener}://${host}:${endpoint.port}`
}

/** Null when the text is not an endpoint. The host is empty in `NAME://:9092`. */
export function parseEndpoint(text: string): Omit<Endpoint, 'securityProtocol'> | null {
  const parts = /^(.*):\/\/(?:\[([0-9a-zA-Z\-%._:]*)\]|([0-9a-zA-Z\-%._]*)):(-?\d+)$/.exec(text)
  if (parts === null) return null
  const [, listener = '', bracketed, plain, port] = parts
  if (listener === '') return null
  return { listener: listener.toUpperCase(), host: bracketed ?? plain ?? '', port: Number(port) }
}
