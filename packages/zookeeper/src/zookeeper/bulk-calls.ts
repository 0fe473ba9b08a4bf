import jute from 'node-zookeeper-client/lib/jute/index.js'
import type { Request } from 'node-zookeeper-client/lib/jute/index.js'
import { CreateMode, openAcl } from '../coordination.ts'
import type { Acl, Operation, OperationResult, ReadZnode, Stat } from '../coordination.ts'
import type { Call } from './call.ts'

/**
 * Reads and transactions, which a new controller makes by the ten thousand, as bytes. The library's records are looped over by their
 * specification, a buffer for each int64: 60 µs for a read and its answer.
 *
 *   frame  length ┃ xid ┃ type ┃ body          answer  length ┃ xid ┃ zxid ┃ error ┃ body
 *          0        4     8      12                    0        4     8      16      20
 */
export class BulkRequest implements Request {
  readonly header: { xid: number; readonly type: number }
  readonly payload = null
  readonly #frame: Buffer

  /** `frame` has room for the xid, which the connection gives. */
  constructor(type: number, frame: Buffer) {
    this.header = { xid: 0, type }
    this.#frame = frame
    frame.writeInt32BE(frame.length - 4, 0)
    frame.writeInt32BE(type, 8)
  }

  toBuffer(): Buffer {
    this.#frame.writeInt32BE(this.header.xid, 4)
    return this.#frame
  }
}

const { OP_CODES } = jute
const requestHead = 12
const answerHead = 20
const multiHeadSize = 9
/** The library does not know it. */
const multiReadType = 22

export function getCall(path: string, watch: boolean): Call<ReadZnode> {
  const size = Buffer.byteLength(path)
  const frame = Buffer.allocUnsafe(requestHead + 4 + size + 1)
  const end = putText(frame, requestHead, path, size)
  frame[end] = watch ? 1 : 0
  return { request: new BulkRequest(OP_CODES.GET_DATA, frame), decode: readGetAnswer, isRead: true }
}

/** What became of one of many reads: a znode, or ZooKeeper's code. */
export type ReadOutcome = ReadZnode | { readonly code: number }

/** `UNIMPLEMENTED` before ZooKeeper 3.6, which also closes the connection then. */
export function getManyCall(paths: readonly string[]): Call<ReadOutcome[]> {
  const pathSizes = paths.map(path => Buffer.byteLength(path))
  let size = requestHead + multiHeadSize
  for (const pathSize of pathSizes) size += multiHeadSize + 4 + pathSize + 1
  const frame = Buffer.allocUnsafe(size)
  let position = requestHead
  paths.forEach((path, index) => {
    position = putMultiHead(frame, position, OP_CODES.GET_DATA, false)
    position = putText(frame, position, path, pathSizes[index]!)
    frame[position++] = 0
  })
  putMultiHead(frame, position, -1, true)
  return { request: new BulkRequest(multiReadType, frame), decode: readManyAnswer, isRead: true }
}

function readManyAnswer(payload: unknown): ReadOutcome[] {
  const frame = payload as Buffer
  const outcomes: ReadOutcome[] = []
  for (let position = answerHead; ;) {
    const type = frame.readInt32BE(position)
    const isLast = frame.readUInt8(position + 4) === 1
    position += multiHeadSize
    if (isLast) return outcomes
    if (type === OP_CODES.GET_DATA) {
      const znode = readZnode(frame, position)
      position += 4 + znode.data.length + statSize
      outcomes.push(znode)
    } else if (type === OP_CODES.ERROR) {
      outcomes.push({ code: frame.readInt32BE(position) })
      position += 4
    } else throw new Error(`a read answered with a result of type ${type}`)
  }
}

const readGetAnswer = (payload: unknown): ReadZnode => readZnode(payload as Buffer, answerHead)

/** Data, length in front, and stat. */
function readZnode(frame: Buffer, position: number): ReadZnode {
  const size = Math.max(0, frame.readInt32BE(position))
  const start = position + 4
  const stat = readStat(frame, start + size)
  return { data: Buffer.from(frame.subarray(start, start + size)), stat }
}

/** Decodes to the results, or to the index and the ZooKeeper error code of the operation that failed. */
export function multiCall(
  operations: readonly Operation[],
): Call<OperationResult[] | { readonly failedIndex: number; readonly code: number }> {
  let size = requestHead + multiHeadSize
  const pathSizes = operations.map(({ path }) => Buffer.byteLength(path))
  operations.forEach((operation, index) => (size += multiHeadSize + sizeOf(operation, pathSizes[index]!)))
  const frame = Buffer.allocUnsafe(size)
  let position = requestHead
  operations.forEach((operation, index) => {
    position = putMultiHead(frame, position, typeOf[operation.op], false)
    position = putOperation(frame, putText(frame, position, operation.path, pathSizes[index]!), operation)
  })
  putMultiHead(frame, position, -1, true)
  return { request: new BulkRequest(OP_CODES.MULTI, frame), decode: readMultiAnswer, isRead: false }
}

const typeOf: Readonly<Record<Operation['op'], number>> = {
  create: OP_CODES.CREATE,
  set: OP_CODES.SET_DATA,
  delete: OP_CODES.DELETE,
  check: OP_CODES.CHECK,
}

/** What each mode is on the wire. */
export const flagsOf: Readonly<Record<CreateMode, number>> = {
  [CreateMode.persistent]: 0,
  [CreateMode.ephemeral]: 1,
  [CreateMode.persistentSequential]: 2,
  [CreateMode.ephemeralSequential]: 3,
}

function sizeOf(operation: Operation, pathSize: number): number {
  switch (operation.op) {
    case 'create':
      return 4 + pathSize + 4 + (operation.data?.length ?? 0) + aclSize(operation.acl ?? openAcl) + 4
    case 'set':
      return 4 + pathSize + 4 + (operation.data?.length ?? 0) + 4
    case 'delete':
    case 'check':
      return 4 + pathSize + 4
  }
}

/** What follows the path. */
function putOperation(frame: Buffer, from: number, operation: Operation): number {
  switch (operation.op) {
    case 'create': {
      // Without data and with empty data are not the same.
      const position = putAcl(frame, putBytes(frame, from, operation.data), operation.acl ?? openAcl)
      return frame.writeInt32BE(flagsOf[operation.mode ?? CreateMode.persistent], position)
    }
    case 'set':
      return frame.writeInt32BE(operation.version, putBytes(frame, from, operation.data ?? nothing))
    case 'delete':
    case 'check':
      return frame.writeInt32BE(operation.version, from)
  }
}

const nothing = Buffer.alloc(0)

function aclSize(acl: readonly Acl[]): number {
  let size = 4
  for (const { scheme, id } of acl) size += 4 + 4 + Buffer.byteLength(scheme) + 4 + Buffer.byteLength(id)
  return size
}

function putAcl(frame: Buffer, from: number, acl: readonly Acl[]): number {
  let position = frame.writeInt32BE(acl.length, from)
  for (const { scheme, id, permissions } of acl) {
    position = frame.writeInt32BE(permissions, position)
    position = putText(frame, position, scheme, Buffer.byteLength(scheme))
    position = putText(frame, position, id, Buffer.byteLength(id))
  }
  return position
}

function putMultiHead(frame: Buffer, from: number, type: number, isLast: boolean): number {
  let position = frame.writeInt32BE(type, from)
  position = frame.writeUInt8(isLast ? 1 : 0, position)
  return frame.writeInt32BE(-1, position)
}

function putText(frame: Buffer, from: number, text: string, size: number): number {
  const position = frame.writeInt32BE(size, from)
  return position + frame.write(text, position, size, 'utf8')
}

function putBytes(frame: Buffer, from: number, bytes: Uint8Array | null): number {
  if (bytes === null) return frame.writeInt32BE(-1, from)
  const position = frame.writeInt32BE(bytes.length, from)
  frame.set(bytes, position)
  return position + bytes.length
}

function readMultiAnswer(
  payload: unknown,
): OperationResult[] | { readonly failedIndex: number; readonly code: number } {
  const frame = payload as Buffer
  const results: OperationResult[] = []
  let failedIndex = -1
  let code = 0
  for (let position = answerHead; ;) {
    const type = frame.readInt32BE(position)
    const isLast = frame.readUInt8(position + 4) === 1
    position += multiHeadSize
    if (isLast) break
    switch (type) {
      case OP_CODES.CREATE: {
        const end = position + 4 + frame.readInt32BE(position)
        results.push({ path: frame.toString('utf8', position + 4, end) })
        position = end
        break
      }
      case OP_CODES.SET_DATA:
        results.push({ stat: readStat(frame, position) })
        position += statSize
        break
      case OP_CODES.DELETE:
      case OP_CODES.CHECK:
        results.push({})
        break
      case OP_CODES.ERROR: {
        // Operations before the one that failed answer error 0, those after it RUNTIME_INCONSISTENCY.
        const error = frame.readInt32BE(position)
        if (error !== 0 && failedIndex < 0) {
          failedIndex = results.length
          code = error
        }
        results.push({})
        position += 4
        break
      }
      default:
        throw new Error(`a transaction answered with a result of type ${type}`)
    }
  }
  return failedIndex < 0 ? results : { failedIndex, code }
}

const statSize = 68

function readStat(frame: Buffer, at: number): Stat {
  return {
    czxid: int64(frame, at),
    mzxid: int64(frame, at + 8),
    createdMs: int64(frame, at + 16),
    modifiedMs: int64(frame, at + 24),
    version: frame.readInt32BE(at + 32),
    childVersion: frame.readInt32BE(at + 36),
    aclVersion: frame.readInt32BE(at + 40),
    ephemeralOwner: frame.readBigInt64BE(at + 44),
    dataLength: frame.readInt32BE(at + 52),
    childCount: frame.readInt32BE(at + 56),
    pzxid: int64(frame, at + 60),
  }
}

/** Zxids hold an epoch of 21 bits and times are below 2^42: both are safe integers. */
function int64(frame: Buffer, at: number): number {
  return frame.readInt32BE(at) * 2 ** 32 + frame.readUInt32BE(at + 4)
}
