import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../../test/oracles/processes.ts'
import { residentMegabytes } from '../load-generator.ts'

/** Resident memory of a Node process after it was told, through its inspector, to collect its garbage: what is left is what it needs. */
export async function collectedMegabytes(pid: number): Promise<{ collectedMegabytes: number }> {
  process.kill(pid, 'SIGUSR1')
  let target: string | undefined
  await eventually(async () => {
    try {
      const targets = (await (await fetch('http://127.0.0.1:9229/json/list')).json()) as {
        webSocketDebuggerUrl: string
      }[]
      target = targets[0]?.webSocketDebuggerUrl
    } catch {
      return false // not there yet
    }
    return target !== undefined
  })
  const inspector = new WebSocket(target!)
  await new Promise((resolve, reject) => {
    inspector.onopen = resolve
    inspector.onerror = () => reject(new Error('the inspector of the broker does not answer'))
  })
  for (let id = 1; id <= 3; id++) {
    const answered = new Promise(resolve => {
      inspector.onmessage = resolve
    })
    inspector.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }))
    await answered
    await sleep(500)
  }
  inspector.close()
  return { collectedMegabytes: residentMegabytes(pid).all }
}
