// What the demo's job should have said, computed from the orders alone by plain code, and compared with all that it said.
import type { WrittenOrder } from './orders.ts'

const WINDOW_MS = 1_000
const OUT_OF_ORDERNESS_MS = 1_000
const EXAMPLES_MAX = 5

/** Name of a result → its value. */
export type Results = ReadonlyMap<string, string>

const add = (sums: Map<string, { orders: number, total: number }>, key: string, amount: number): { orders: number, total: number } => {
  const sum = sums.get(key) ?? { orders: 0, total: 0 }
  sum.orders += 1
  sum.total += amount
  sums.set(key, sum)
  return sum
}

/** `u7 order 12` → its running total: one result for each order. */
export const expectedTotals = (input: readonly WrittenOrder[]): Results => {
  const results = new Map<string, string>()
  const sums = new Map<string, { orders: number, total: number }>()
  for (const { user, amount } of input) {
    const { orders, total } = add(sums, user, amount)
    results.set(`${user} order ${orders}`, String(total))
  }
  return results
}

/** `p7 at 1700000000000` → orders and total of that window, for every window that the closing orders at `closedAt` have closed. */
export const expectedSales = (input: readonly WrittenOrder[], closedAt: number): Results => {
  const sums = new Map<string, { orders: number, total: number }>()
  for (const { product, amount, ts } of input) {
    const start = ts - ts % WINDOW_MS
    if (start + WINDOW_MS <= closedAt - OUT_OF_ORDERNESS_MS) add(sums, `${product} at ${start}`, amount)
  }
  return new Map([...sums].map(([name, { orders, total }]) => [name, `${orders}/${total}`]))
}

/** Two names for one value; a field that is missing shows as such, and differs. */
const record = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? value as Record<string, unknown> : {}
}

export const totalOf = (text: string): readonly [string, string] => {
  const { key, orders, total } = record(text)
  return [`${String(key)} order ${String(orders)}`, String(total)]
}
export const saleOf = (text: string): readonly [string, string] => {
  const { key, window, orders, total } = record(text)
  const start = typeof window === 'object' && window !== null && 'start' in window ? window.start : undefined
  return [`${String(key)} at ${String(start)}`, `${String(orders)}/${String(total)}`]
}

export interface Verdict {
  readonly expected: number
  readonly found: number
  readonly lost: number
  readonly doubled: number
  /** With another value, or results that should not be. */
  readonly wrong: number
  /** The first few differences, in words. */
  readonly examples: readonly string[]
}

/** Each result must be there once, with its value, and no other may. */
export const compare = (expected: Results, found: readonly (readonly [string, string])[]): Verdict => {
  const seen = new Set<string>()
  let [doubled, wrong] = [0, 0]
  const examples: string[] = []
  for (const [name, value] of found) {
    const want = expected.get(name)
    if (seen.has(name)) {
      doubled += 1
      examples.push(`${name}: said again`)
    } else if (want !== value) {
      wrong += 1
      examples.push(want === undefined ? `${name}: said ${value}, should not be there` : `${name}: said ${value}, it is ${want}`)
    }
    seen.add(name)
  }
  const missing = [...expected.keys()].filter((name) => !seen.has(name))
  examples.push(...missing.slice(0, EXAMPLES_MAX).map((name) => `${name}: never said, it is ${expected.get(name)}`))
  return { expected: expected.size, found: found.length, lost: missing.length, doubled, wrong, examples: examples.slice(0, EXAMPLES_MAX) }
}
