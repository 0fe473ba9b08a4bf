import type { Connection } from '@millrace/client/connection/connection'
import { RequestTimedOut } from '@millrace/client/connection/request-failure'
import { fromJson, toJson, type Json } from '@millrace/protocol/json'
import { offsetCommitRequest, offsetCommitResponse } from '@millrace/protocol/messages/08-offset-commit'
import { offsetFetchRequest, offsetFetchResponse } from '@millrace/protocol/messages/09-offset-fetch'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { joinGroupRequest, joinGroupResponse } from '@millrace/protocol/messages/11-join-group'
import { heartbeatRequest, heartbeatResponse } from '@millrace/protocol/messages/12-heartbeat'
import { leaveGroupRequest, leaveGroupResponse } from '@millrace/protocol/messages/13-leave-group'
import { syncGroupRequest, syncGroupResponse } from '@millrace/protocol/messages/14-sync-group'
import { describeGroupsRequest, describeGroupsResponse } from '@millrace/protocol/messages/15-describe-groups'
import { listGroupsRequest, listGroupsResponse } from '@millrace/protocol/messages/16-list-groups'
import { deleteGroupsRequest, deleteGroupsResponse } from '@millrace/protocol/messages/42-delete-groups'
import { offsetDeleteRequest, offsetDeleteResponse } from '@millrace/protocol/messages/47-offset-delete'
import type { Message } from '@millrace/protocol/schema'
import { AnyVersion, isCoordinationError, type Coordination } from '@millrace/zookeeper/coordination'

/** What the brokers of both sides run with: sizes that a case reaches, times that a recording can wait for. */
export const groupBrokerSettings: Readonly<Record<string, string>> = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '100',
  'group.max.session.timeout.ms': '60000',
  'group.max.size': '3',
  'offset.metadata.max.bytes': '32',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '1',
  'auto.create.topics.enable': 'false',
}
/** Topics that are there, with one and with two partitions. */
export const groupTopics = { t: 1, u: 2 } as const

export const groupApis = {
  OffsetCommit: [offsetCommitRequest, offsetCommitResponse],
  OffsetFetch: [offsetFetchRequest, offsetFetchResponse],
  FindCoordinator: [findCoordinatorRequest, findCoordinatorResponse],
  JoinGroup: [joinGroupRequest, joinGroupResponse],
  Heartbeat: [heartbeatRequest, heartbeatResponse],
  LeaveGroup: [leaveGroupRequest, leaveGroupResponse],
  SyncGroup: [syncGroupRequest, syncGroupResponse],
  DescribeGroups: [describeGroupsRequest, describeGroupsResponse],
  ListGroups: [listGroupsRequest, listGroupsResponse],
  DeleteGroups: [deleteGroupsRequest, deleteGroupsResponse],
  OffsetDelete: [offsetDeleteRequest, offsetDeleteResponse],
} as const
export type GroupApi = keyof typeof groupApis

type Api = readonly [Message<unknown>, Message<unknown>]
export const apiOf = (name: GroupApi): Api => groupApis[name] as unknown as Api

export interface AskStep {
  readonly api: GroupApi
  readonly version: number
  /** Which connection: brokers take one request of each at a time. */
  readonly on: string
  /** Kafka's JSON form; `$name` stands for a value that an earlier answer gave. */
  readonly request: Json
  /** The answer comes later, with the `take` of this name. */
  readonly parked?: string
  /** Names for fields of the answer that no two brokers give alike: member ids. */
  readonly binds?: Readonly<Record<string, string>>
  readonly answer?: Json
  /** It got none: an accident of that broker's. */
  readonly isUnanswered?: true
}
export interface TakeStep {
  readonly take: string
  readonly answer?: Json
  readonly isUnanswered?: true
}
/** What a znode holds then, as text; null: there is none. */
export interface ZnodeStep {
  readonly znode: string
  readonly answer?: Json
}
export interface SetZnodeStep {
  readonly setZnode: string
  readonly data: string
}
export interface PassStep {
  readonly passMs: number
}
export type GroupStep = AskStep | TakeStep | ZnodeStep | SetZnodeStep | PassStep

export interface GroupCase {
  readonly name: string
  /** Ids of this case's groups start with it. */
  readonly group: string
  readonly steps: readonly GroupStep[]
}

/** Where a case is played: a real broker, or one in virtual time. */
export interface Stage {
  connect(): Promise<Connection>
  /** Waits for what needs the world to go on. */
  during<T>(work: Promise<T>): Promise<T>
  pass(ms: number): Promise<void>
  znode(path: string): Promise<string | null>
  setZnode(path: string, data: string): Promise<void>
}

/** What `coordination` holds, as a case asks for it. */
export function znodesOf(coordination: Coordination): Pick<Stage, 'znode' | 'setZnode'> {
  return {
    async znode(path) {
      try {
        return (await coordination.get(path)).data.toString()
      } catch (error) {
        if (isCoordinationError(error, 'NO_NODE')) return null
        throw error
      }
    },
    async setZnode(path, data) {
      await coordination.set(path, Buffer.from(data), AnyVersion)
    },
  }
}

/** How long a request that waits for others gets to arrive. */
const arrivalMs = 60

/** Plays the case; gives it back with what was answered. */
export async function play({ name, group, steps }: GroupCase, stage: Stage): Promise<GroupCase> {
  const connections = new Map<string, Connection>()
  const names = new Map<string, string>()
  const parked = new Map<string, { readonly answer: Promise<Json>; readonly step: AskStep }>()
  const told = async (step: AskStep, answer: Promise<Json>): Promise<Pick<AskStep, 'answer' | 'isUnanswered'>> => {
    let json: Json
    try {
      json = await stage.during(answer)
    } catch (error) {
      if (!(error instanceof RequestTimedOut)) throw error
      connections.delete(step.on)
      return { isUnanswered: true }
    }
    for (const [bound, field] of Object.entries(step.binds ?? {})) {
      const value = (json as Record<string, Json>)[field]
      if (typeof value === 'string' && value !== '') names.set(value, `$${bound}`)
    }
    return { answer: json }
  }
  const answered: GroupStep[] = []
  try {
    for (const step of steps) {
      if ('passMs' in step) {
        await stage.pass(step.passMs)
        answered.push(step)
      } else if ('setZnode' in step) {
        await stage.during(stage.setZnode(step.setZnode, step.data))
        answered.push(step)
      } else if ('znode' in step) {
        answered.push({ ...step, answer: await stage.during(stage.znode(step.znode)) })
      } else if ('take' in step) {
        const waiting = parked.get(step.take)
        if (waiting === undefined) throw new TypeError(`${name}: nothing is parked as ${step.take}`)
        answered.push({ ...step, ...(await told(waiting.step, waiting.answer)) })
      } else {
        let connection = connections.get(step.on)
        if (connection === undefined) connections.set(step.on, (connection = await stage.connect()))
        const answer = ask(connection, step, names)
        if (step.parked === undefined) {
          answered.push({ ...step, ...(await told(step, answer)) })
        } else {
          answer.catch(() => {}) // taken later, or the case failed before
          parked.set(step.parked, { answer, step })
          await stage.pass(arrivalMs)
          answered.push(step)
        }
      }
    }
  } finally {
    await stage.during(Promise.all([...connections.values()].map(connection => connection.close())))
  }
  // At the end: some ids are named by an answer that comes after others that hold them.
  const steadied = answered.map(step =>
    'answer' in step && step.answer !== undefined ? { ...step, answer: steady(step.answer, names, group) } : step,
  )
  return { name, group, steps: steadied }
}

async function ask(
  connection: Connection,
  { api, version, request: json }: AskStep,
  names: ReadonlyMap<string, string>,
): Promise<Json> {
  const [request, response] = apiOf(api)
  const values = new Map([...names].map(([value, bound]) => [bound, value]))
  const given = mapText(json, text => values.get(text) ?? text)
  const answer = await connection.request(request, response, fromJson(request, version, given), { version })
  return toJson(response, version, answer)
}

/** Without what differs from broker to broker: names for ids, a fixed order where there is none, only this case's groups. */
function steady(json: Json, names: ReadonlyMap<string, string>, group: string): Json {
  return ordered(
    mapText(json, text => names.get(text) ?? text),
    group,
  )
}

function ordered(json: Json, group: string): Json {
  if (Array.isArray(json)) return json.map(item => ordered(item, group))
  if (typeof json !== 'object' || json === null) return json
  const result: Record<string, Json> = {}
  for (const [name, member] of Object.entries(json)) {
    const value = ordered(member, group)
    if (name === 'members' && Array.isArray(value) && !isLeaveAnswer(value)) result[name] = value.sort(byText)
    // Whose groups they are besides; and what leads where.
    else if (name === 'groups' && Array.isArray(value))
      result[name] = value.filter(each => isOf(each, group)).sort(byText)
    else if (name === 'topics' && Array.isArray(value)) result[name] = value.sort(byText)
    else if ((name === 'partitions' || name === 'results') && Array.isArray(value)) result[name] = value.sort(byText)
    // Everybody has words of their own for what is wrong.
    else if (name === 'errorMessage' && json['errorCode'] !== 0) result[name] = 'some'
    else if (name === 'host' || name === 'port' || name === 'nodeId')
      result[name] = value === '' || value === -1 ? value : 'some'
    else result[name] = value
  }
  return result
}

/** One result per member that was named: in their order. */
const isLeaveAnswer = (members: readonly Json[]): boolean =>
  members.some(member => typeof member === 'object' && member !== null && 'errorCode' in member)

const isOf = (row: Json, group: string): boolean => {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return true
  const id = row['groupId']
  return typeof id !== 'string' || id === '' || id.startsWith(group)
}

const byText = (left: Json, right: Json): number => {
  const [a, b] = [JSON.stringify(left), JSON.stringify(right)]
  return a < b ? -1 : a > b ? 1 : 0
}

function mapText(json: Json, change: (text: string) => string): Json {
  if (typeof json === 'string') return change(json)
  if (Array.isArray(json)) return json.map(item => mapText(item, change))
  if (typeof json !== 'object' || json === null) return json
  return Object.fromEntries(Object.entries(json).map(([name, member]) => [name, mapText(member, change)]))
}
