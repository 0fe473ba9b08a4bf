const bytes = 64 * 1024

/** Two buffers that all connections of a transport use in turn, because each use ends before anything else runs. */
export class SharedBuffers {
  /** Where small frames are read to: allocate, read and callback are one synchronous step of libuv. */
  readonly input = Buffer.allocUnsafeSlow(bytes)
  #output = Buffer.allocUnsafeSlow(bytes)

  /** Where small answers of one connection are joined. */
  get output(): Buffer {
    return this.#output
  }

  /** The system did not take the bytes at once: the socket keeps that buffer, the others get a new one. */
  replaceOutput(): void {
    this.#output = Buffer.allocUnsafeSlow(bytes)
  }
}
