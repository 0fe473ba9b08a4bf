import { readdirSync } from 'node:fs'
import type { Checker } from './checker.ts'

/** Every `check-<format>.ts` of this folder that exports a `checker`. */
export async function loadCheckers(): Promise<Checker[]> {
  const names = readdirSync(import.meta.dirname).filter(name => /^check-[a-z-]+\.ts$/.test(name))
  const modules = await Promise.all(names.map(name => import(`./${name}`) as Promise<{ checker?: Checker }>))
  return modules.flatMap(({ checker }) => checker ?? [])
}
