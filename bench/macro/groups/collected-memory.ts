import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../../../test/oracles/processes.ts'
import { residentMegabytes } from '../load-generator.ts'

export interface CollectedMemory {
  /** Resident, after garbage was collected. */
  readonly collectedMegabytes: number
  /** What JavaScript holds: objects that are in use, and bytes of buffers. */
  readonly liveMegabytes: number
}

/** Memory of a Node process after it was told, through its inspector, to collect its garbage three times: what is left is what it needs. */
export async function collectedMemory(pid: number): Promise<CollectedMemory> {
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
  let lastId = 0
  const ask = async (method: string, params: object = {}): Promise<unknown> => {
    const answered = new Promise<MessageEvent>(resolve => {
      inspector.onmessage = resolve
    })
    inspector.send(JSON.stringify({ id: ++lastId, method, params }))
    return JSON.parse(String((await answered).data))
  }
  for (let count = 0; count < 3; count++) {
    await ask('HeapProfiler.collectGarbage')
    await sleep(500)
  }
  const expression = '(({ heapUsed, arrayBuffers }) => heapUsed + arrayBuffers)(process.memoryUsage())'
  const { result } = (await ask('Runtime.evaluate', { expression })) as { result: { result: { value: number } } }
  inspector.close()
  return { collectedMegabytes: residentMegabytes(pid).all, liveMegabytes: result.result.value / 2 ** 20 }
}
