// How long a partition was silent, from the times at which its records arrived.

export interface Silence {
  readonly from: number
  readonly to: number
}

/** The longest time without an arrival that ends after `from`; what ends after `to` counts up to the arrival that ends it. Undefined: nothing arrived after `from`. */
export const longestSilence = (arrivals: readonly number[], from: number, to: number): Silence | undefined => {
  let longest: Silence | undefined
  let before = arrivals.findLast((at) => at <= from) ?? from
  for (const at of arrivals) {
    if (at <= from) continue
    if (before > to) break
    if (longest === undefined || at - before > longest.to - longest.from) longest = { from: before, to: at }
    before = at
  }
  return longest
}

export const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted.length === 0 ? NaN : ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[sorted.length >> 1] as number)) / 2
}
