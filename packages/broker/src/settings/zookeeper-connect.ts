export interface ZookeeperConnect {
  readonly servers: readonly { readonly host: string; readonly port: number }[]
  /** Path under which the cluster lives, `/` and all; empty for the root. */
  readonly chroot: string
}

const defaultPort = 2181

/** `host:port,host:port/path`; IPv6 addresses in brackets, 2181 where no port is given. Null when it is something else. */
export function parseZookeeperConnect(text: string): ZookeeperConnect | null {
  const slash = text.indexOf('/')
  const hosts = slash < 0 ? text : text.slice(0, slash)
  const chroot = slash < 0 ? '' : text.slice(slash).trim().replace(/\/$/, '')
  if (!/^(\/[^/\s]+)*$/.test(chroot)) return null
  const servers: { host: string; port: number }[] = []
  for (const element of hosts.split(',').map(host => host.trim())) {
    const parts = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(element)
    if (parts === null) return null
    const port = parts[3] === undefined ? defaultPort : Number(parts[3])
    if (port < 1 || port > 65_535) return null
    servers.push({ host: parts[1] ?? parts[2] ?? '', port })
  }
  return { servers, chroot }
}
