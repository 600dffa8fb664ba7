// What the jobs should have said, computed from the input alone. Shares no code with the runtime.
import type { Event } from './events.ts'

export interface WindowTotal {
  readonly user: string
  readonly start: number
  readonly count: number
  readonly sum: number
}

/** Tumbling windows over event time; no event of the workloads is late. Keys: `user@start`. */
const windowTotals = (input: readonly Event[], sizeMs: number): Map<string, WindowTotal> => {
  const totals = new Map<string, WindowTotal>()
  for (const { user, amount, ts } of input) {
    const start = ts - (ts % sizeMs)
    const before = totals.get(`${user}@${start}`)
    totals.set(`${user}@${start}`, { user, start, count: (before?.count ?? 0) + 1, sum: (before?.sum ?? 0) + amount })
  }
  return totals
}

export interface RunningTotal {
  readonly key: string
  readonly count: number
  readonly sum: number
}

/** Faults found in one-output-per-input results: for each user the count goes up by one, and the last one is right. */
export const checkRunningTotals = (input: readonly Event[], output: readonly RunningTotal[]): string[] => {
  const faults: string[] = []
  const seen = new Map<string, number>()
  for (const { key, count } of output) {
    if (key.startsWith('flush-')) continue
    const before = seen.get(key) ?? 0
    if (count !== before + 1) faults.push(`${key}: count ${count} follows ${before} (${count <= before ? 'doubled' : 'lost'})`)
    seen.set(key, count)
  }
  const expected = new Map<string, { count: number, sum: number }>()
  for (const { user, amount } of input) {
    const before = expected.get(user) ?? { count: 0, sum: 0 }
    expected.set(user, { count: before.count + 1, sum: before.sum + amount })
  }
  const last = new Map(output.map((total) => [total.key, total]))
  for (const [user, { count, sum }] of expected) {
    const found = last.get(user)
    if (found?.count !== count || found.sum !== sum) faults.push(`${user}: ends at ${found?.count ?? 0}/${found?.sum ?? 0}, expected ${count}/${sum}`)
  }
  return faults
}

/** Faults found in final window results: each (user, window) once, with the right totals, and none that should not be. */
export const checkWindowTotals = (input: readonly Event[], sizeMs: number, output: readonly (RunningTotal & { readonly window: { readonly start: number } })[]): string[] => {
  const faults: string[] = []
  const expected = windowTotals(input, sizeMs)
  const seen = new Set<string>()
  for (const { key, window, count, sum } of output) {
    if (key.startsWith('flush-')) continue
    const name = `${key}@${window.start}`
    const want = expected.get(name)
    if (seen.has(name)) faults.push(`${name}: said twice`)
    seen.add(name)
    if (want?.count !== count || want.sum !== sum) faults.push(`${name}: said ${count}/${sum}, expected ${want?.count ?? 0}/${want?.sum ?? 0}`)
  }
  for (const name of expected.keys()) if (!seen.has(name)) faults.push(`${name}: never said`)
  return faults
}

/**
 * After restores: output that went out behind a restored checkpoint can't be called back, so it comes again; but it says the same, nothing
 * is missing, and the last word on each user is right.
 */
export const checkRestored = (input: readonly Event[], running: readonly RunningTotal[], windows: readonly (RunningTotal & { readonly window: { readonly start: number } })[]): string[] => {
  const faults: string[] = []
  const totals = new Map<string, { count: number, sum: number }>()
  for (const { user, amount } of input) totals.set(user, { count: (totals.get(user)?.count ?? 0) + 1, sum: (totals.get(user)?.sum ?? 0) + amount })
  const last = new Map(running.map((total) => [total.key, total]))
  for (const [user, { count, sum }] of totals) if (last.get(user)?.count !== count || last.get(user)?.sum !== sum) faults.push(`${user}: ends at ${last.get(user)?.count ?? 0}/${last.get(user)?.sum ?? 0}, expected ${count}/${sum}`)
  const expected = windowTotals(input, 10_000)
  const seen = new Set<string>()
  for (const { key, window, count, sum } of windows) {
    if (key.startsWith('flush-')) continue
    const name = `${key}@${window.start}`
    seen.add(name)
    if (expected.get(name)?.count !== count || expected.get(name)?.sum !== sum) faults.push(`${name}: said ${count}/${sum}, expected ${expected.get(name)?.count ?? 0}/${expected.get(name)?.sum ?? 0}`)
  }
  for (const name of expected.keys()) if (!seen.has(name)) faults.push(`${name}: never said`)
  return faults
}
