// Books added up over tasks, name by name.
import { emptyBooks } from '../books.ts'
import type { Books } from '../records/records.ts'

const combine = (a: Books, b: Books, sign: 1 | -1): Books => ({
  offsets: a.offsets + sign * b.offsets, noRecord: a.noRecord + sign * b.noRecord, records: a.records + sign * b.records, shuffleRecords: a.shuffleRecords + sign * b.shuffleRecords,
  blocks: a.blocks + sign * b.blocks, folded: a.folded + sign * b.folded, passedOn: a.passedOn + sign * b.passedOn, filtered: a.filtered + sign * b.filtered, late: a.late + sign * b.late,
  deadLettered: a.deadLettered + sign * b.deadLettered, skipped: a.skipped + sign * b.skipped, emitted: a.emitted + sign * b.emitted,
  lateDrops: (a.lateDrops ?? 0) + sign * (b.lateDrops ?? 0),
})

export const subtractBooks = (a: Books, b: Books): Books => combine(a, b, -1)

export const sumBooks = (all: readonly Books[]): Books => all.reduce((sum, one) => combine(sum, one, 1), emptyBooks)
