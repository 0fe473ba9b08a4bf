import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Message } from '../schema.ts'

const source = join(import.meta.dirname, '..')

/** Every row of `messages/` and `internal/`, by the name of its message. */
export async function allMessages(): Promise<ReadonlyMap<string, Message<unknown>>> {
  const files = ['messages', 'internal'].flatMap(folder =>
    readdirSync(join(source, folder))
      .filter(name => /^[a-z0-9-]+\.ts$/.test(name))
      .map(name => `../${folder}/${name}`),
  )
  const modules = await Promise.all(files.map(file => import(file) as Promise<Readonly<Record<string, unknown>>>))
  const rows = new Map<string, Message<unknown>>()
  for (const exported of modules.flatMap(module => Object.values(module))) {
    if (isMessage(exported)) rows.set(exported.name, exported)
  }
  return rows
}

function isMessage(exported: unknown): exported is Message<unknown> {
  return typeof exported === 'object' && exported !== null && 'body' in exported && 'versions' in exported
}
