// A process named so that a signal can never reach another one that got its number later: pid and kernel start time.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** Linux: clock ticks since boot (`/proc/<pid>/stat`, field 22). Elsewhere: what `ps -o lstart` prints. */
  readonly startedAt: string
}

const ofKernel = (pid: number | string): readonly string[] => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field, the program's name, may contain spaces and brackets.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

const startOf = (pid: number): string | undefined => {
  try {
    if (!existsSync('/proc/self/stat')) return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
    const fields = ofKernel(pid)
    // A zombie has ended; only its parent has not asked yet.
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** Each process with its parent. */
const parents = (): readonly (readonly [pid: number, parent: number])[] => {
  if (!existsSync('/proc/self/stat')) return execFileSync('ps', ['-axo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number)).map(([pid = 0, parent = 0]) => [pid, parent])
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      return [[Number(name), Number(ofKernel(name)[1])] as const]
    } catch {
      return []
    }
  })
}

/** Undefined when there is no such process. */
export const identify = (pid: number): ProcessIdentity | undefined => {
  const startedAt = startOf(pid)
  return startedAt === undefined ? undefined : { pid, startedAt }
}

export const isAlive = (who: ProcessIdentity): boolean => startOf(who.pid) === who.startedAt

/** The processes that these started, those that they started, and so on; without those whose own parent is gone. */
export const descendants = (roots: readonly ProcessIdentity[]): ProcessIdentity[] => {
  const all = parents()
  const found = new Set(roots.filter(isAlive).map(({ pid }) => pid))
  // A set that grows while it is walked is walked to its end.
  for (const pid of found) for (const [child, parent] of all) if (parent === pid) found.add(child)
  return [...found].filter((pid) => !roots.some((root) => root.pid === pid)).flatMap((pid) => identify(pid) ?? [])
}

/** False when that very process is gone. */
export const signal = (who: ProcessIdentity, name: NodeJS.Signals): boolean => {
  if (!isAlive(who)) return false
  try {
    return process.kill(who.pid, name)
  } catch {
    return false
  }
}
