/**
 * Cuts a stream into frames of an int32 length and that many bytes. The library's own way copies the rest of a chunk for
 * every frame in it and calls itself once per frame; here, chunks are joined only when a frame spans them.
 */
export class FrameSplitter {
  #chunks: Buffer[] = []
  #size = 0
  /** Bytes of the frame at the front, its length field included; 4 until that field is known. */
  #needed = lengthBytes

  /** Calls `onFrame` with each whole frame, length field included. False when a length is impossible: the stream is lost. */
  push(chunk: Buffer, onFrame: (frame: Buffer) => void): boolean {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return true
    let bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size)
    for (;;) {
      this.#needed = lengthBytes
      if (bytes.length < lengthBytes) break
      const length = bytes.readInt32BE(0)
      if (length < 0 || length > maxFrameBytes) return false
      this.#needed = lengthBytes + length
      if (bytes.length < this.#needed) break
      const frame = bytes.subarray(0, this.#needed)
      bytes = bytes.subarray(this.#needed)
      onFrame(frame)
    }
    this.#chunks = bytes.length === 0 ? [] : [bytes]
    this.#size = bytes.length
    return true
  }
}

const lengthBytes = 4
/** Answers grow with the number of children; requests are held to less. */
const maxFrameBytes = 64 * 1024 * 1024
