// A process named so that a signal can never reach another one that got its number later: pid and kernel start time.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** Linux: clock ticks since boot (`/proc/<pid>/stat`, field 22). Elsewhere: what `ps -o lstart` prints. */
  readonly startedAt: string
}

const startOf = (pid: number): string | undefined => {
  try {
    if (!existsSync('/proc/self/stat')) return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field, the program's name, may contain spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie has ended; only its parent has not asked yet.
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** Undefined when there is no such process. */
export const identify = (pid: number): ProcessIdentity | undefined => {
  const startedAt = startOf(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

export const isAlive = (who: ProcessIdentity): boolean => startOf(who.pid) === who.startedAt

/** False when that very process is gone. */
export const signal = (who: ProcessIdentity, name: NodeJS.Signals): boolean => {
  if (!isAlive(who)) return false
  try {
    return process.kill(who.pid, name)
  } catch {
    return false
  }
}
