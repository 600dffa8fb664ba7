// On the embedded log: a stopped process could hold the database's lock, so a verdict is followed by SIGKILL. A pid that was given to
// another process meanwhile is left alone: its start time differs.
import { readFileSync } from 'node:fs'
import type { ProcessId } from '../core/protocol.ts'

/** Clock ticks since boot at which the process started: field 22 of /proc/<pid>/stat. Undefined: no such process, or a system without /proc. */
export const pidStartOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces and parentheses itself; field 3 comes behind the last one.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

/** True: it was there and has been killed. */
export const killProcess = ({ pid, pidStart }: ProcessId): boolean => {
  if (pid <= 1 || pid === process.pid || pidStart === '' || pidStartOf(pid) !== pidStart) return false
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}
