// The books of the open batch while they are written: plain counters.
import type { Books } from '@tidemark/checkpoint'
import { FATE } from '../operators/scope.ts'

export class Tally {
  offsets = 0
  noRecord = 0
  records = 0
  shuffleRecords = 0
  blocks = 0
  folded = 0
  passedOn = 0
  filtered = 0
  late = 0
  deadLettered = 0
  skipped = 0

  /** One record is through; it counts once, by its main fate, whatever its branches did. */
  fate(bits: number): void {
    this.records += 1
    if (bits & FATE.folded) this.folded += 1
    else if (bits & FATE.passedOn) this.passedOn += 1
    else if (bits & FATE.late) this.late += 1
    else this.filtered += 1
  }

  setAside(how: 'dead-letter' | 'skip'): void {
    this.records += 1
    if (how === 'dead-letter') this.deadLettered += 1
    else this.skipped += 1
  }

  books(emitted: number, lateDrops: number): Books {
    return {
      offsets: this.offsets, noRecord: this.noRecord, records: this.records, shuffleRecords: this.shuffleRecords, blocks: this.blocks, folded: this.folded, passedOn: this.passedOn,
      filtered: this.filtered, late: this.late, deadLettered: this.deadLettered, skipped: this.skipped, emitted, lateDrops,
    }
  }

  clear(): void {
    this.offsets = 0
    this.noRecord = 0
    this.records = 0
    this.shuffleRecords = 0
    this.blocks = 0
    this.folded = 0
    this.passedOn = 0
    this.filtered = 0
    this.late = 0
    this.deadLettered = 0
    this.skipped = 0
  }
}
