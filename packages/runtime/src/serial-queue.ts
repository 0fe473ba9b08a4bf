/** The queue was closed: the task was not started and never will be. */
export class QueueClosed extends Error {
  override readonly name = 'QueueClosed'
}

/** The queue holds as many tasks as it may: the task was not taken. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull'
}

interface Task {
  readonly run: () => Promise<void>
  readonly abandon: (error: Error) => void
}

/**
 * Runs asynchronous tasks one after the other, in the order they came. The way to give one piece of state one owner:
 * what is read at the start of a task still holds at its end.
 */
export class SerialQueue {
  readonly #limit: number
  #waiting: Task[] = []
  #isRunning = false
  #isClosed = false
  #drainers: (() => void)[] = []

  /** `limit`: tasks that may wait, not counting the running one. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Tasks that wait, plus the running one. */
  get count(): number {
    return this.#waiting.length + (this.#isRunning ? 1 : 0)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Settles as `task` does. Rejects with QueueFull or QueueClosed when it was not started. Never starts it in this call stack. */
  run<T>(task: () => Promise<T> | T): Promise<T> {
    if (this.#isClosed) return Promise.reject(new QueueClosed('The queue is closed'))
    if (this.#waiting.length >= this.#limit) return Promise.reject(new QueueFull(`${this.#limit} tasks wait already`))
    return new Promise<T>((resolve, reject) => {
      const run = async (): Promise<void> => {
        try {
          resolve(await task())
        } catch (error) {
          reject(error)
        }
      }
      this.#waiting.push({ run, abandon: reject })
      if (!this.#isRunning) void this.#work()
    })
  }

  /** Resolves when nothing runs or waits. */
  drained(): Promise<void> {
    if (!this.#isRunning) return Promise.resolve()
    return new Promise(resolve => this.#drainers.push(resolve))
  }

  /** Takes no more; what waits is rejected with QueueClosed; resolves when the running task has ended. */
  close(): Promise<void> {
    this.#isClosed = true
    const abandoned = this.#waiting
    this.#waiting = []
    for (const task of abandoned) task.abandon(new QueueClosed('The queue was closed before this task began'))
    return this.drained()
  }

  async #work(): Promise<void> {
    this.#isRunning = true
    await Promise.resolve()
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) await task.run()
    this.#isRunning = false
    const drainers = this.#drainers
    this.#drainers = []
    for (const drained of drainers) drained()
  }
}
