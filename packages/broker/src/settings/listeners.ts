import type { BrokerSettings } from './broker-settings.ts'
import type { Report } from './config-error.ts'
import { parseEndpoint, securityProtocolByName, type Endpoint, type SecurityProtocol } from './endpoint.ts'

/** Where a broker listens, and what it tells others. */
export interface ListenerSettings {
  /** An empty host means every address; port 0 any free one. */
  readonly listeners: readonly Endpoint[]
  /** Empty hosts and ports 0 are filled in by `advertisedEndpoints`, when the sockets are bound. */
  readonly advertised: readonly Endpoint[]
  readonly interBrokerListener: string
  /** Null: the controller uses the listener between brokers. */
  readonly controlPlaneListener: string | null
}

/** Reads all that is said about listeners; what is wrong goes to `report`, and what can be read all the same comes back. */
export function parseListeners(settings: BrokerSettings, report: Report): ListenerSettings {
  const protocols = parseProtocolMap(settings, report)
  const listeners = parseEndpoints('listeners', settings.get('listeners'), protocols, report)
  const advertisedText = settings.get('advertised.listeners')
  const hasAdvertised = advertisedText !== null && advertisedText !== ''
  const advertised = hasAdvertised
    ? parseEndpoints('advertised.listeners', advertisedText, protocols, report)
    : listeners
  checkListeners(settings, listeners, report)
  checkAdvertised(settings, { listeners, advertised, hasAdvertised }, report)
  const interBrokerListener = findInterBrokerListener(settings, { advertised, protocols }, report)
  const controlPlaneListener = settings.get('control.plane.listener.name')?.toUpperCase() ?? null
  checkControlPlane({ controlPlaneListener, interBrokerListener, advertised }, report)
  return { listeners, advertised, interBrokerListener, controlPlaneListener }
}

/** What goes into the registration: with the ports that were bound, and the host's own name where none is given. */
export function advertisedEndpoints(
  settings: ListenerSettings,
  actual: { readonly hostName: string; readonly ports: ReadonlyMap<string, number> },
): Endpoint[] {
  return settings.advertised.map(endpoint => ({
    ...endpoint,
    host: endpoint.host === '' ? actual.hostName : endpoint.host,
    port: endpoint.port === 0 ? (actual.ports.get(endpoint.listener) ?? 0) : endpoint.port,
  }))
}

function parseProtocolMap(settings: BrokerSettings, report: Report): Map<string, SecurityProtocol> {
  const key = 'listener.security.protocol.map'
  const text = settings.get(key)
  const protocols = new Map<string, SecurityProtocol>()
  for (const element of elements(text)) {
    const colon = element.lastIndexOf(':')
    const name = element.slice(0, colon).trim().toUpperCase()
    const protocol = securityProtocolByName(element.slice(colon + 1).trim())
    if (colon <= 0 || protocol === undefined) {
      const expectation = `expected NAME:PROTOCOL,… with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, not ${element}`
      report({ key, value: text, expectation })
    } else if (protocols.has(name)) {
      report({ key, value: text, expectation: `expected each listener name once, not ${name} again` })
    } else {
      protocols.set(name, protocol)
    }
  }
  return protocols
}

function parseEndpoints(
  key: string,
  text: string,
  protocols: ReadonlyMap<string, SecurityProtocol>,
  report: Report,
): Endpoint[] {
  const endpoints: Endpoint[] = []
  for (const element of elements(text)) {
    const endpoint = parseEndpoint(element)
    if (endpoint === null) {
      report({ key, value: text, expectation: `expected NAME://host:port,…, not ${element}` })
      continue
    }
    if (endpoint.port < 0 || endpoint.port > 65_535) {
      report({ key, value: text, expectation: `expected a port from 0 to 65535, not ${endpoint.port}` })
    }
    if (endpoints.some(other => other.listener === endpoint.listener)) {
      report({ key, value: text, expectation: `expected each listener name once, not ${endpoint.listener} again` })
      continue
    }
    const securityProtocol = protocols.get(endpoint.listener)
    if (securityProtocol === undefined) {
      const expectation = `expected listener names that listener.security.protocol.map knows, not ${endpoint.listener}`
      report({ key, value: text, expectation })
      continue
    }
    endpoints.push({ ...endpoint, securityProtocol })
  }
  return endpoints
}

function checkListeners(settings: BrokerSettings, listeners: readonly Endpoint[], report: Report): void {
  const value = settings.get('listeners')
  if (elements(value).length === 0) {
    report({ key: 'listeners', value, expectation: 'expected at least one listener' })
  }
  for (const { listener, securityProtocol } of listeners) {
    if (securityProtocol === 'PLAINTEXT') continue
    const expectation = `expected PLAINTEXT listeners: ${securityProtocol} (listener ${listener}) is not built yet, it comes with the security issue`
    report({ key: 'listeners', value, expectation })
  }
  const byPort = Map.groupBy(
    listeners.filter(each => each.port !== 0),
    each => each.port,
  )
  for (const [port, same] of byPort) {
    if (same.length === 1) continue
    // An IPv4 and an IPv6 address may share a port; names could be either, so they may not.
    const isPair =
      same.length === 2 && same.some(each => isIPv4(each.host)) && same.some(each => each.host.includes(':'))
    if (isPair) continue
    const expectation = `expected a port of its own for each listener (one IPv4 and one IPv6 address may share one), not ${port} for ${same.map(each => each.listener).join(' and ')}`
    report({ key: 'listeners', value, expectation })
  }
}

const isIPv4 = (host: string): boolean => /^\d{1,3}(\.\d{1,3}){3}$/.test(host)

function checkAdvertised(
  settings: BrokerSettings,
  found: { listeners: readonly Endpoint[]; advertised: readonly Endpoint[]; hasAdvertised: boolean },
  report: Report,
): void {
  const { listeners, advertised, hasAdvertised } = found
  const key = 'advertised.listeners'
  const value = settings.get(key)
  for (const { listener, host } of advertised) {
    if (host === '0.0.0.0') {
      const expectation = hasAdvertised
        ? 'expected addresses that others can reach: 0.0.0.0 means "every address" only where one listens'
        : `expected to be set, since listener ${listener} is bound to 0.0.0.0, which others cannot reach`
      report({ key, value, expectation })
    }
    if (!listeners.some(each => each.listener === listener)) {
      report({ key, value, expectation: `expected only listeners that the setting listeners has, not ${listener}` })
    }
  }
}

function findInterBrokerListener(
  settings: BrokerSettings,
  found: { advertised: readonly Endpoint[]; protocols: ReadonlyMap<string, SecurityProtocol> },
  report: Report,
): string {
  const named = settings.get('inter.broker.listener.name')
  const listener = (named ?? settings.get('security.inter.broker.protocol')).toUpperCase()
  const key = named === null ? 'security.inter.broker.protocol' : 'inter.broker.listener.name'
  const value = named ?? settings.get('security.inter.broker.protocol')
  const valid = found.advertised.map(each => each.listener)
  if (valid.length > 0 && !valid.includes(listener)) {
    const expectation =
      named === null
        ? `expected a listener ${listener} in advertised.listeners, or inter.broker.listener.name to name one of ${valid.join(', ')}`
        : `expected a listener of advertised.listeners, which has ${valid.join(', ')}`
    report({ key, value, expectation })
  }
  return listener
}

function checkControlPlane(
  found: {
    controlPlaneListener: string | null
    interBrokerListener: string
    advertised: readonly Endpoint[]
  },
  report: Report,
): void {
  const { controlPlaneListener: value, interBrokerListener, advertised } = found
  const key = 'control.plane.listener.name'
  if (value === null) return
  if (!advertised.some(each => each.listener === value)) {
    const names = advertised.map(each => each.listener).join(', ')
    report({ key, value, expectation: `expected a listener of advertised.listeners, which has ${names}` })
  }
  if (value === interBrokerListener) {
    report({ key, value, expectation: 'expected another listener than the one between brokers' })
  }
}

const elements = (text: string): string[] =>
  text
    .split(',')
    .map(element => element.trim())
    .filter(element => element !== '')
