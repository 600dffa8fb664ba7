// The books of a batch (invariant 8): every offset passed and every record taken is counted once, under the one thing that became of it.
//
//   offsets = noRecord + records from topics + blocks        records from topics = records - shuffleRecords
//   records = folded + passedOn + filtered + late + deadLettered + skipped
//
// A record that feeds several results counts once, by its main fate: folded into state before passed on, passed on before filtered; late
// only when late for every window. `emitted` counts what was sent and is free: flatMap, windows and timers emit as they like. So is `lateDrops`:
// it counts each operator that dropped a value, where `late` counts a record of which nothing else became.
import { invariantBroken } from '@tidemark/base'
import type { TaskRef } from '@tidemark/base'
import type { Books } from './records/records.ts'

export const emptyBooks: Books = Object.freeze({
  offsets: 0, noRecord: 0, records: 0, shuffleRecords: 0, blocks: 0, folded: 0, passedOn: 0, filtered: 0, late: 0, deadLettered: 0, skipped: 0, emitted: 0,
})

export const addBooks = (a: Books, b: Books): Books => ({
  offsets: a.offsets + b.offsets, noRecord: a.noRecord + b.noRecord, records: a.records + b.records, shuffleRecords: a.shuffleRecords + b.shuffleRecords, blocks: a.blocks + b.blocks,
  folded: a.folded + b.folded, passedOn: a.passedOn + b.passedOn, filtered: a.filtered + b.filtered, late: a.late + b.late, deadLettered: a.deadLettered + b.deadLettered, skipped: a.skipped + b.skipped,
  emitted: a.emitted + b.emitted, lateDrops: (a.lateDrops ?? 0) + (b.lateDrops ?? 0),
})

/** Throws `INVARIANT_BROKEN` with both sums. */
export const assertBalanced = (books: Books, task: TaskRef, batchId: number): void => {
  const broken = (message: string): Error => invariantBroken('8', `the books of batch ${batchId} do not balance: ${message}`, { ...task, details: { ...books } })
  for (const [name, value] of Object.entries(books)) if (!Number.isSafeInteger(value) || value < 0) throw broken(`${name} is ${value}`)
  const fates = books.folded + books.passedOn + books.filtered + books.late + books.deadLettered + books.skipped
  if (books.records !== fates) throw broken(`${books.records} records were taken, ${fates} are accounted for`)
  if (books.shuffleRecords > books.records) throw broken(`${books.shuffleRecords} of ${books.records} records came in blocks`)
  const passed = books.noRecord + (books.records - books.shuffleRecords) + books.blocks
  if (books.offsets !== passed) throw broken(`the positions advanced by ${books.offsets}, ${passed} offsets are accounted for`)
}

/** The totals after a batch are those before it plus the batch. */
export const assertTotals = (before: Books, batch: Books, after: Books, task: TaskRef, batchId: number): void => {
  const sum = addBooks(before, batch)
  for (const name of Object.keys(sum) as (keyof Books)[]) {
    if (sum[name] !== (after[name] ?? 0)) throw invariantBroken('8', `the totals after batch ${batchId} say ${after[name]} ${name}, ${before[name]} and ${batch[name]} make ${sum[name]}`, { ...task, details: { ...after } })
  }
}
