import { join } from 'node:path'
import type { GroupEvent } from '@millrace/testing/checkers/group-history'
import { nodeFlags } from '../../../scripts/pinned-node.js'
import { toolJvm } from '../../oracles/kafka.ts'
import { oraclePath } from '../../oracles/oracles.ts'
import { eventually, startProcess, type RunningProcess } from '../../oracles/processes.ts'
import type { ClientKind } from './group-kinds.ts'

export interface MemberStart {
  readonly member: string
  readonly group: string
  readonly topic: string
  readonly assignor: string
  /** `group.instance.id`; null: a dynamic member. */
  readonly instance: string | null
}

type Said = GroupEvent | { readonly type: 'ready' } | { readonly type: 'failed'; readonly member: string }

/** A process with members of many groups: killed, all of them die at once. */
export class MembersProcess {
  readonly #process: RunningProcess
  readonly #onEvent: (event: GroupEvent) => void
  readonly #onFailure: (line: string) => void
  #isReady = false
  #rest = ''

  constructor(options: {
    readonly client: ClientKind
    readonly bootstrap: string
    readonly onEvent: (event: GroupEvent) => void
    readonly onFailure: (line: string) => void
  }) {
    this.#onEvent = options.onEvent
    this.#onFailure = options.onFailure
    const name = `${options.client} members`
    this.#process = startProcess({ ...commandOf(options.client, options.bootstrap), name, stdin: 'pipe' })
    this.#process.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => this.#onOutput(chunk))
    this.#process.child.stdin!.on('error', () => {
      /* it was killed: its members are told apart */
    })
  }

  async ready(): Promise<void> {
    await eventually(async () => {
      if (this.#process.exited) throw new Error(this.#process.output())
      return this.#isReady
    }, 60_000)
  }

  start({ member, group, topic, assignor, instance }: MemberStart): void {
    this.#write(`start ${member} ${group} ${topic} ${assignor} ${instance ?? '-'}`)
  }

  /** In an orderly way: it says when it has `left`. */
  stop(member: string): void {
    this.#write(`stop ${member}`)
  }

  /** As kill -9. Resolves when all that it had said was heard. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process.ended()
  }

  /** All its members leave. */
  async end(): Promise<void> {
    this.#process.child.stdin!.end()
    await Promise.race([this.#process.ended(), new Promise(resolve => setTimeout(resolve, 15_000).unref())])
    await this.#process.stop()
  }

  #write(line: string): void {
    this.#process.child.stdin!.write(`${line}\n`)
  }

  #onOutput(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) {
      const said = JSON.parse(line) as Said
      if (said.type === 'ready') this.#isReady = true
      else if (said.type === 'failed') this.#onFailure(line)
      else this.#onEvent(said)
    }
  }
}

function commandOf(client: ClientKind, bootstrap: string): { command: string; args: string[] } {
  const interop = join(import.meta.dirname, '..')
  if (client === 'java') {
    return { command: 'java', args: [...toolJvm(), join(interop, 'java', 'GroupMembers.java'), bootstrap] }
  }
  if (client === 'librdkafka') {
    return { command: oraclePath('confluent'), args: [join(interop, 'python', 'group_members.py'), bootstrap] }
  }
  const file = join(import.meta.dirname, 'kafkajs-members.ts')
  return { command: process.execPath, args: [...nodeFlags, file, bootstrap] }
}
