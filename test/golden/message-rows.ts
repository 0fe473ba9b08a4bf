import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Message } from '@millrace/protocol/schema'

/** Whatever holds a message row. */
export type AnyMessage = Message<unknown>

const source = join(import.meta.dirname, '../../packages/protocol/src')

/** Every row of `protocol/messages` and `protocol/internal`, by the name of its message. */
export async function loadMessageRows(): Promise<ReadonlyMap<string, AnyMessage>> {
  const names = ['messages', 'internal'].flatMap(folder =>
    readdirSync(join(source, folder))
      .filter(name => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map(name => `${folder}/${name.slice(0, -3)}`),
  )
  const modules = await Promise.all(
    names.map(name => import(`@millrace/protocol/${name}`) as Promise<Readonly<Record<string, unknown>>>),
  )
  const rows = new Map<string, AnyMessage>()
  for (const exported of modules.flatMap(module => Object.values(module))) {
    if (isMessage(exported)) rows.set(exported.name, exported)
  }
  return rows
}

function isMessage(exported: unknown): exported is AnyMessage {
  return typeof exported === 'object' && exported !== null && 'body' in exported && 'versions' in exported
}
