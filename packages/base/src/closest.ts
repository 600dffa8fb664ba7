// The word somebody meant: the nearest of those there are, by letters changed, added and left out (Levenshtein).

/** More changes than this for each letter: it was another word. Two letters the wrong way round are two changes. */
const CHANGES_PER_LETTER = 0.4

const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_zero, at) => at)
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1]
    for (let j = 0; j < to.length; j += 1) next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === to[j] ? 0 : 1)))
    row = next
  }
  return row[to.length] ?? 0
}

/** Undefined when none is near, or only with more than `changesMax` changes. Upper and lower case are the same. */
export const closest = (word: string, known: readonly string[], changesMax = Infinity): string | undefined => {
  const ranked = known.map((one) => ({ one, changes: distance(word.toLowerCase(), one.toLowerCase()) })).toSorted((a, b) => a.changes - b.changes)
  const [best] = ranked
  return best !== undefined && best.changes <= Math.min(changesMax, Math.max(1, Math.floor(best.one.length * CHANGES_PER_LETTER))) ? best.one : undefined
}
