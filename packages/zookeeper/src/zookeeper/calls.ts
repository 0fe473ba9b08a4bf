import jute from 'node-zookeeper-client/lib/jute/index.js'
import type { AclRecord, Payload, Stat as StatRecord } from 'node-zookeeper-client/lib/jute/index.js'
import type { Acl, CreateMode, Stat } from '../coordination.ts'
import { flagsOf } from './bulk-calls.ts'
import type { Call } from './call.ts'

const { OP_CODES, protocol } = jute

export function createCall(path: string, data: Uint8Array | null, mode: CreateMode, acl: readonly Acl[]): Call<string> {
  const payload = new protocol.CreateRequest(path, copyOf(data), acl.map(aclRecord), flagsOf[mode])
  return write(OP_CODES.CREATE, payload, answer => (answer as { path: string }).path)
}

export function setCall(path: string, data: Uint8Array | null, version: number): Call<Stat> {
  const payload = new protocol.SetDataRequest(path, copyOf(data) ?? Buffer.alloc(0), version)
  return write(OP_CODES.SET_DATA, payload, answer => statOf((answer as { stat: StatRecord }).stat))
}

export function deleteCall(path: string, version: number): Call<void> {
  return write(OP_CODES.DELETE, new protocol.DeleteRequest(path, version), () => {})
}

export function setAclCall(path: string, acl: readonly Acl[], version: number): Call<Stat> {
  const payload = new protocol.SetACLRequest(path, acl.map(aclRecord), version)
  return write(OP_CODES.SET_ACL, payload, answer => statOf((answer as { stat: StatRecord }).stat))
}

export function existsCall(path: string, watch: boolean): Call<Stat> {
  return read(OP_CODES.EXISTS, new protocol.ExistsRequest(path, watch), answer =>
    statOf((answer as { stat: StatRecord }).stat),
  )
}

export function childrenCall(path: string, watch: boolean): Call<string[]> {
  return read(OP_CODES.GET_CHILDREN2, new protocol.GetChildren2Request(path, watch), answer =>
    ((answer as { children: string[] | undefined }).children ?? []).sort(),
  )
}

export function getAclCall(path: string): Call<{ acl: readonly Acl[]; stat: Stat }> {
  return read(OP_CODES.GET_ACL, new protocol.GetACLRequest(path), answer => {
    const { acl, stat } = answer as { acl: AclRecord[] | undefined; stat: StatRecord }
    return {
      acl: (acl ?? []).map(({ perms, id }) => ({ scheme: id.scheme, id: id.id, permissions: perms })),
      stat: statOf(stat),
    }
  })
}

function write<T>(type: number, payload: Payload, decode: (payload: unknown) => T): Call<T> {
  return { request: new jute.Request(new protocol.RequestHeader(0, type), payload), decode, isRead: false }
}

function read<T>(type: number, payload: Payload, decode: (payload: unknown) => T): Call<T> {
  return { request: new jute.Request(new protocol.RequestHeader(0, type), payload), decode, isRead: true }
}

function statOf(record: StatRecord): Stat {
  return {
    czxid: int64(record.czxid),
    mzxid: int64(record.mzxid),
    pzxid: int64(record.pzxid),
    createdMs: int64(record.ctime),
    modifiedMs: int64(record.mtime),
    version: record.version,
    childVersion: record.cversion,
    aclVersion: record.aversion,
    ephemeralOwner: record.ephemeralOwner.readBigInt64BE(0),
    dataLength: record.dataLength,
    childCount: record.numChildren,
  }
}

/** Zxids hold an epoch of 21 bits and times are below 2^42: both are safe integers. */
function int64(bytes: Buffer): number {
  return bytes.readInt32BE(0) * 2 ** 32 + bytes.readUInt32BE(4)
}

function aclRecord({ scheme, id, permissions }: Acl): AclRecord {
  return new jute.data.ACL(permissions, new jute.data.Id(scheme, id))
}

/** A copy: the caller may change its bytes while the request waits for the socket. */
function copyOf(data: Uint8Array | null): Buffer | null {
  return data === null ? null : Buffer.from(data)
}
