// The books of a batch balance, and every way to get them wrong is seen.
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { addBooks, assertBalanced, assertTotals, emptyBooks } from './books.ts'
import { task } from './samples/records.ts'
import type { Books } from './records/records.ts'

const n = fc.nat({ max: 1_000 })
/** Balanced by construction: fates first, then the sums. */
const balanced = fc.record({ noRecord: n, blocks: n, inBlocks: n, folded: n, passedOn: n, filtered: n, late: n, deadLettered: n, skipped: n, emitted: n, lateDrops: n })
  .map(({ inBlocks, ...rest }): Required<Books> => {
    const records = rest.folded + rest.passedOn + rest.filtered + rest.late + rest.deadLettered + rest.skipped
    const shuffleRecords = Math.min(inBlocks, records)
    return { ...rest, records, shuffleRecords, offsets: rest.noRecord + records - shuffleRecords + rest.blocks }
  })

describe('books (invariant 8)', () => {
  test('what is counted once balances, and so do sums of it', () => {
    fc.assert(fc.property(balanced, balanced, (a, b) => {
      assertBalanced(a, task, 1)
      assertBalanced(addBooks(a, b), task, 2)
      assertTotals(a, b, addBooks(a, b), task, 2)
      expect(addBooks(a, emptyBooks)).toEqual(a)
    }))
  })
  test('one record or offset too many or too few is seen, wherever it is', () => {
    fc.assert(fc.property(balanced, fc.constantFrom<keyof Books>('offsets', 'noRecord', 'records', 'blocks', 'folded', 'passedOn', 'filtered', 'late', 'deadLettered', 'skipped'), (books, name) => {
      expect(() => assertBalanced({ ...books, [name]: books[name] + 1 }, task, 1)).toThrow('do not balance')
      expect(() => assertTotals(emptyBooks, books, { ...books, [name]: books[name] + 1 }, task, 1)).toThrow(`${name}`)
    }))
  })
  test('an empty batch balances, a negative or broken number does not', () => {
    assertBalanced(emptyBooks, task, 1)
    expect(() => assertBalanced({ ...emptyBooks, emitted: -1 }, task, 1)).toThrow('emitted is -1')
    expect(() => assertBalanced({ ...emptyBooks, emitted: 0.5 }, task, 1)).toThrow('emitted is 0.5')
    expect(() => assertBalanced({ ...emptyBooks, shuffleRecords: 1, blocks: 1 }, task, 1)).toThrow('1 of 0 records came in blocks')
  })
})
