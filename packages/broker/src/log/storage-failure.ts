import { MalformedFile } from '@millrace/protocol/storage/malformed-file'
import { FileSystemError } from '@millrace/runtime/file-system-error'
import { ShortWrite } from './write-fully.ts'

/** True for what a disk does to us; anything else that is thrown is our own mistake and must stop the broker. */
export function isStorageFailure(error: unknown): error is Error {
  return error instanceof FileSystemError || error instanceof ShortWrite || error instanceof MalformedFile
}
