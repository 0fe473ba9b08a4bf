import { createTopicsRequest, createTopicsResponse } from '@millrace/protocol/messages/19-create-topics'
import { findCoordinatorRequest, findCoordinatorResponse } from '@millrace/protocol/messages/10-find-coordinator'
import { emptyOf } from '@millrace/protocol/schema'
import { VirtualBroker } from '@millrace/testing/world/virtual-broker'
import type { Checker } from './checker.ts'
import {
  groupBrokerSettings,
  groupTopics,
  play,
  znodesOf,
  type GroupCase,
  type GroupStep,
  type Stage,
} from './group-exchange.ts'
import { jsonDifference } from './json-difference.ts'

/**
 * `group-answers.jsonl` (record-group-answers.ts): conversations with a group coordinator, and what Kafka answered. The same
 * requests go to a whole broker of ours in virtual time; its answers must be Kafka's.
 */
export const checker: Checker = {
  format: 'group-answers',

  recognizes: first => Array.isArray(first['steps']) && typeof first['group'] === 'string',

  async check({ vectors }, report) {
    const broker = await VirtualBroker.start(groupBrokerSettings)
    try {
      await prepare(broker)
      for (const { line, value } of vectors) {
        const vector = value as unknown as GroupCase
        const type = /^[a-z0-9]+/.exec(vector.name)?.[0] ?? vector.name
        const why = await difference(vector, stageOn(broker))
        if (why === null) report.passed(type)
        else report.failed(type, { line, subject: vector.name, why })
      }
    } finally {
      await broker.stop()
    }
  },
}

async function prepare(broker: VirtualBroker): Promise<void> {
  const connection = await broker.connect()
  await broker.during(
    connection.request(createTopicsRequest, createTopicsResponse, {
      ...emptyOf(createTopicsRequest),
      timeoutMs: 10_000,
      topics: Object.entries(groupTopics).map(([name, numPartitions]) => ({
        ...{ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] },
      })),
    }),
  )
  const find = { ...emptyOf(findCoordinatorRequest), coordinatorKeys: ['g'] }
  for (let attempt = 0; attempt < 50; attempt++) {
    const found = await broker.during(connection.request(findCoordinatorRequest, findCoordinatorResponse, find))
    if (found.coordinators[0]?.errorCode === 0) return broker.during(connection.close())
    await broker.pass(100)
  }
  throw new Error('nobody coordinates groups')
}

function stageOn(broker: VirtualBroker): Stage {
  return {
    connect: () => broker.connect({ clientId: 'golden', versions: 'fixed' }),
    during: work => broker.during(work),
    pass: ms => broker.pass(ms),
    ...znodesOf(broker.coordination),
  }
}

/** Plays the case; null: what was answered is what Kafka answered. */
export async function difference(vector: GroupCase, stage: Stage): Promise<string | null> {
  let played: GroupCase
  try {
    played = await play(vector, stage)
  } catch (error) {
    return String(error)
  }
  for (const [index, step] of vector.steps.entries()) {
    const why = stepDifference(step, played.steps[index]!)
    if (why !== null) return `step ${index + 1} (${titleOf(step)}): ${why}`
  }
  return null
}

function stepDifference(expected: GroupStep, actual: GroupStep): string | null {
  // Where Kafka never answers, any answer is better.
  if (!('answer' in expected)) return null
  return jsonDifference(expected.answer, 'answer' in actual ? actual.answer : undefined)
}

const titleOf = (step: GroupStep): string =>
  'api' in step ? `${step.api} v${step.version} ${JSON.stringify(step.request)}` : JSON.stringify(step).slice(0, 200)
