import { CoordinationError } from '../coordination.ts'
import { normalizeChroot } from '../path.ts'

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

export interface ConnectString {
  readonly servers: readonly ServerAddress[]
  /** '' for none, or an absolute path without a slash at its end. */
  readonly chroot: string
}

const defaultPort = 2181

/** `host:port,[v6]:port,host/chroot`, as in zookeeper.connect. The port defaults to 2181. Throws BAD_ARGUMENTS. */
export function parseConnectString(text: string): ConnectString {
  const slash = text.indexOf('/')
  const hosts = slash === -1 ? text : text.slice(0, slash)
  const servers = hosts
    .split(',')
    .map(host => host.trim())
    .filter(host => host !== '')
    .map(host => parseServer(host, text))
  if (servers.length === 0) throw badConnectString(text, 'it names no server')
  return { servers, chroot: slash === -1 ? '' : normalizeChroot(text.slice(slash).trim()) }
}

export function formatServers(servers: readonly ServerAddress[]): string {
  return servers.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(',')
}

function parseServer(server: string, text: string): ServerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(server)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  if (host === undefined || port < 1 || port > 65_535) throw badConnectString(text, `'${server}' is not host:port`)
  return { host, port }
}

function badConnectString(text: string, why: string): CoordinationError {
  return new CoordinationError('BAD_ARGUMENTS', undefined, {
    message: `BAD_ARGUMENTS: connect string '${text}': ${why}`,
  })
}
