import { spawnSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

const open = new Set<SmallDisk>()
process.on('exit', () => {
  for (const each of open) each.close()
})

/** A file system of its own in memory, for a broker's data: it can be filled up without harm to others. Needs root on Linux. */
export class SmallDisk {
  /** Why there can be none here; null: there can. */
  static whyNot(): string | null {
    if (process.platform !== 'linux') return 'small disks are made with tmpfs, on Linux only'
    return process.getuid?.() === 0 ? null : 'mounting a small disk needs root'
  }

  readonly folder: string

  constructor(folder: string, megabytes: number) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
    const args = ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'millrace-test', folder]
    const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`mount ${args.join(' ')}: ${stderr}`)
    open.add(this)
  }

  /** Somebody else's file takes what is left, but for `leaveBytes`. */
  fill(leaveBytes = 0): void {
    rmSync(this.ballast, { force: true })
    const file = openSync(this.ballast, 'w')
    try {
      const piece = Buffer.alloc(1024 * 1024)
      for (;;) writeSync(file, piece)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      ftruncateSync(file, Math.max(0, fstatSync(file).size - leaveBytes))
    } finally {
      closeSync(file)
    }
  }

  /** That file is gone. */
  empty(): void {
    rmSync(this.ballast, { force: true })
  }

  /** `keep`: what is on it stays in the folder, on the file system below. */
  close({ keep = false }: { readonly keep?: boolean } = {}): void {
    this.empty()
    open.delete(this)
    const copy = `${this.folder}.copy`
    if (keep && existsSync(this.folder)) cpSync(this.folder, copy, { recursive: true })
    spawnSync('umount', ['-l', this.folder])
    if (keep) cpSync(copy, this.folder, { recursive: true })
    rmSync(copy, { recursive: true, force: true })
  }

  private get ballast(): string {
    return join(this.folder, '.ballast')
  }
}
