// What the kernel knows of a process: its children, the CPU time it took, the memory it took at most. Linux only.
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ: /proc counts in hundredths of a second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

const fieldsOf = (pid: number): string[] => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

export const childrenOf = (pid: number): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((child) => Number(fieldsOf(child)[1]) === pid)

/** User and system, all threads, since its start; 0 for a process that is gone. */
export const cpuSeconds = (pid: number): number => {
  const fields = fieldsOf(pid)
  return fields.length === 0 ? 0 : (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Of all its children, user and system: what the slots of an executor took since they started. */
export const childrenCpuSeconds = (pid: number): number => childrenOf(pid).reduce((total, child) => total + cpuSeconds(child), 0)

const statusMb = (pid: number, field: RegExp): number => {
  try {
    return Math.round(Number(field.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024 / 1e6)
  } catch {
    return 0
  }
}

/** Highest resident size so far, MB; 0 for a process that is gone. */
export const peakMemoryMb = (pid: number): number => statusMb(pid, /^VmHWM:\s+(\d+) kB/m)

/** Resident size now, MB; 0 for a process that is gone. */
export const memoryMb = (pid: number): number => statusMb(pid, /^VmRSS:\s+(\d+) kB/m)

/** SIGKILL; a process that is gone already is no error. */
export const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It was faster.
  }
}
