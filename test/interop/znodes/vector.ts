import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { root } from '../../../scripts/pinned-node.js'
import { comparedData, type ComparedZnode, type Tree } from './tree.ts'

interface Recording {
  readonly steps: readonly {
    readonly step: number
    readonly changed: readonly { path: string; data: string | null; owner?: string; version: number; acl: string }[]
    readonly removed: readonly string[]
  }[]
}

let recording: Recording | undefined

/**
 * The tree after `step` of the recording, which had a replication factor of 3, as it would have been had every partition
 * only its first replica; the steps between `applied` ones, which need what is not built yet, are left out.
 */
export function recordedTree(applied: readonly number[], step: number): Tree {
  recording ??= JSON.parse(
    brotliDecompressSync(readFileSync(join(root, 'test', 'golden', 'vectors', 'znodes.json.br'))).toString(),
  ) as Recording
  const tree: Record<string, ComparedZnode> = {}
  for (const number of applied.filter(each => each <= step)) {
    const { changed, removed } = recording.steps.find(each => each.step === number)!
    for (const path of removed) delete tree[path]
    for (const { path, data, owner, version, acl } of changed) {
      if (/^\/($|zookeeper|kafka-acl|delegation_token)/.test(path)) continue
      tree[path] = { data: firstReplicasOnly(path, comparedData(path, data)), owner: owner ?? null, version, acl }
    }
  }
  return tree
}

function firstReplicasOnly(path: string, data: unknown): unknown {
  if (/^\/brokers\/topics\/[^/]+$/.test(path)) {
    const topic = data as { readonly partitions: Readonly<Record<string, readonly number[]>> }
    const partitions = Object.entries(topic.partitions).map(([id, replicas]) => [id, replicas.slice(0, 1)])
    return { ...topic, partitions: Object.fromEntries(partitions) }
  }
  if (path.endsWith('/state')) {
    const state = data as { readonly leader: number }
    return { ...state, isr: [state.leader] }
  }
  return data
}
