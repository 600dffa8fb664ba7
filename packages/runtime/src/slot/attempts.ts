// How the ways to begin a takeover went that were tried. A list of ways is that of one newest commit record: another, which became visible since, may name others.
import { startsOf } from '@tidemark/checkpoint'
import type { SnapshotRef, Start, Tried } from '@tidemark/checkpoint'
import type { SlotOptions } from './ports.ts'
import type { Beginning } from './beginning.ts'

export class Attempts {
  /** Of the first ways of the list, in its order. */
  readonly tried: Tried[] = []
  #ways: readonly Start[] = []

  /** Of a list that it does not know nothing was tried. */
  see({ newest, start }: Pick<Beginning, 'newest' | 'start'>, { run }: Pick<SlotOptions, 'run'>): void {
    const ways = startsOf(newest, run.from, start)
    if (listOf(ways) !== listOf(this.#ways)) this.clear()
    this.#ways = ways
  }

  /** Snapshots that are missing or damaged, for good. */
  get noGood(): SnapshotRef[] {
    return this.#ways.flatMap((way, i) => (way.kind === 'snapshot' && this.tried[i] === 'no-good' ? [way.ref] : []))
  }

  clear(): void {
    this.tried.splice(0)
  }
}

const listOf = (ways: readonly Start[]): string => ways.map(nameOf).join('\n')

const nameOf = (way: Start): string => (way.kind === 'snapshot' ? `${way.ref.checkpoint} at ${way.tailBegin} by ${way.ref.transactionalId}` : way.kind)
