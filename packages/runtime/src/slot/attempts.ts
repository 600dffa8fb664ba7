// How the ways to begin a takeover went that were tried. A list of ways is that of one newest commit record: another, which became visible since, may name others.
import { startsOf } from '@tidemark/checkpoint'
import type { Start, Tried } from '@tidemark/checkpoint'
import type { SlotOptions } from './ports.ts'
import type { Beginning } from './beginning.ts'

export class Attempts {
  /** Of the first ways of the list, in its order. */
  readonly tried: Tried[] = []
  #list = ''

  /** Of a list that it does not know nothing was tried. */
  see({ newest, start }: Pick<Beginning, 'newest' | 'start'>, { run }: Pick<SlotOptions, 'run'>): void {
    const list = startsOf(newest, run.from, start).map(nameOf).join('\n')
    if (list !== this.#list) this.clear()
    this.#list = list
  }

  clear(): void {
    this.tried.splice(0)
  }
}

const nameOf = (way: Start): string => (way.kind === 'snapshot' ? `${way.ref.checkpoint} at ${way.tailBegin} by ${way.ref.transactionalId}` : way.kind)
