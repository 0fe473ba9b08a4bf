import { assert } from '@millrace/runtime/invariant'
import type { Frame, FrameReceiver } from '@millrace/runtime/ports'

/** Receives, remembers, and lets a test wait for what it expects. */
export class FrameRecorder implements FrameReceiver {
  readonly frames: Buffer[] = []
  closed: { error: Error | null } | null = null
  onEach: ((frame: Frame) => void) | null = null
  drained = 0
  #waiting: { condition: () => boolean; resolve: () => void }[] = []

  onFrame(frame: Frame): void {
    this.frames.push(Buffer.from(frame.buffer.subarray(frame.start, frame.end)))
    this.onEach?.(frame)
    this.#check()
  }

  onClosed(error: Error | null): void {
    assert(this.closed === null, 'a connection ends once')
    this.closed = { error }
    this.#check()
  }

  onDrained(): void {
    this.drained++
    this.#check()
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push({ condition, resolve })
      this.#check()
    })
  }

  untilFrames(count: number): Promise<void> {
    return this.until(() => this.frames.length >= count)
  }

  async untilClosed(): Promise<Error | null> {
    await this.until(() => this.closed !== null)
    return this.closed!.error
  }

  get text(): string[] {
    return this.frames.map(frame => frame.toString())
  }

  #check(): void {
    const ready = this.#waiting.filter(({ condition }) => condition())
    this.#waiting = this.#waiting.filter(each => !ready.includes(each))
    for (const { resolve } of ready) resolve()
  }
}
