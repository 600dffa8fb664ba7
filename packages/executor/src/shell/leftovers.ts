// Slots of an executor that died are ended by the next executor that starts in the same folder: they could hold a lock or a socket.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '@tidemark/base'
import { killProcess, pidStartOf } from './processes.ts'

interface PidFile {
  readonly executor: { readonly pid: number, readonly pidStart: string }
  readonly slots: readonly { readonly pid: number, readonly pidStart: string }[]
}

export class Leftovers {
  readonly #folder: string
  readonly #file: string
  readonly #logger: Logger

  /** `label` is for people; several executors may have the same, so `pid` tells their files apart. */
  constructor(folder: string, label: string, logger: Logger, pid = process.pid) {
    this.#folder = folder
    this.#logger = logger
    this.#file = join(folder, `executor-${label.replaceAll(/[^A-Za-z0-9_-]/g, '_')}-${pid}.json`)
  }

  /** Kills the slots of every executor of this folder that is dead, and forgets it. Returns how many. */
  kill(): number {
    let killed = 0
    for (const name of this.#names()) {
      const file = read(join(this.#folder, name))
      if (file === undefined || pidStartOf(file.executor.pid) === file.executor.pidStart) continue
      killed += file.slots.filter((slot) => slot.pidStart !== '' && killProcess(slot.pid, slot.pidStart)).length
      rmSync(join(this.#folder, name), { force: true })
    }
    return killed
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((name) => name.startsWith('executor-') && name.endsWith('.json'))
    } catch {
      return []
    }
  }

  write(file: PidFile): void {
    this.#helpful('executor.pids-not-written', () => {
      mkdirSync(this.#folder, { recursive: true })
      writeFileSync(`${this.#file}.new`, JSON.stringify(file))
      renameSync(`${this.#file}.new`, this.#file)
    })
  }

  remove(): void {
    this.#helpful('executor.pids-not-removed', () => rmSync(this.#file, { force: true }))
  }

  /** It only helps the next start, for slots end by themselves when their executor is gone: a disk that is full stops nothing. */
  #helpful(orElse: string, change: () => void): void {
    try {
      change()
    } catch (error) {
      this.#logger.warn({ file: this.#file, error }, orElse)
    }
  }
}

const read = (path: string): PidFile | undefined => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as PidFile
  } catch {
    return undefined
  }
}
