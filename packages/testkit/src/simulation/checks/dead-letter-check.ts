// What should be in the dead letters: the records that kill, those that throw, the timers that do and results that can't be encoded, each once, and nothing else; and how many processes
// each may take with it.
import type { Placed } from '../cluster.ts'
import { isSetAside, WINDOW_MS } from '../events.ts'
import type { SimEvent } from '../events.ts'
import type { Variety } from '../variety.ts'
import { taskOf } from './batches.ts'
import type { Committed } from './batches.ts'
import type { BatchRef, Lineage } from './lineage.ts'
import type { Violations } from './violations.ts'

/**
 * Two slots die before what they died of is looked for. Their deaths are counted anew in a run of its own, and as those of executors by a driver that was
 * not there when they died.
 */
const SLOTS_MAX = 6

export const nameOf = ({ odd, user }: SimEvent): string => (odd === undefined ? user : `record ${odd}`)
const timerOf = (user: string, at: number): string => `the timer of ${user} at ${at}`
const resultOf = (user: string, start: number): string => `the window ${start} of ${user}`

/** What a dead letter is about: a number of those that throw, also where the rest can't be decoded, a timer, a result, or a user. */
export const nameOfLetter = (value: Buffer | string | null): string => {
  const text = String(value)
  const odd = /"odd":(\d+)/.exec(text)?.[1]
  if (odd !== undefined) return `record ${odd}`
  const [, key = '', timer, start] = /"key":"([^"]*)",(?:"timer":(\d+)|"window":\{"start":(\d+))/.exec(text) ?? []
  if (timer !== undefined) return timerOf(key, Number(timer))
  return start === undefined ? /"user":"([^"]*)"/.exec(text)?.[1] ?? text : resultOf(key, Number(start))
}

/** What is set aside of a record: itself, a timer that it sets, the result of its window; or nothing. */
const setAside = (event: SimEvent): readonly string[] => {
  const { fails, ts, user } = event
  const start = ts - (ts % WINDOW_MS)
  if (isSetAside(event)) return [nameOf(event)]
  return fails === 'timer' ? [timerOf(user, start + WINDOW_MS)] : fails === 'result' ? [resultOf(user, start)] : []
}

export interface DeadLetterOptions {
  readonly topic: string
  readonly input: readonly Placed[]
  readonly variety: Variety
  readonly lineage: Lineage
  readonly violations: Violations
}

type Letter = Committed['writes'][number]['records'][number]

export class DeadLetterCheck {
  readonly #topic: string
  readonly #input: readonly Placed[]
  readonly #isSkipped: boolean
  readonly #lineage: Lineage
  readonly #violations: Violations
  /** By name: with which batches it was set aside. */
  readonly #letters = new Map<string, BatchRef[]>()
  readonly #killed = new Map<string, number>()

  constructor({ topic, input, variety: { onError }, lineage, violations }: DeadLetterOptions) {
    this.#topic = topic
    this.#input = input
    this.#isSkipped = onError === 'skip'
    this.#lineage = lineage
    this.#violations = violations
  }

  committed(committed: Committed): void {
    const { run, writes } = committed
    const letters = writes.flatMap(({ topic, records }) => (topic === this.#topic ? records : []))
    if (letters.length === 0) return
    const wanted = this.#wanted()
    for (const letter of letters) {
      const { value } = letter
      const name = nameOfLetter(value)
      const batches = this.#letters.get(name) ?? []
      if (!wanted.has(name)) this.#violations.add('dead letters', `run ${run}: ${String(value)} is among them, and ${this.#isSkipped ? 'the job skips' : 'nothing is wrong with it'}`)
      if (this.#isAmong(run, name)) this.#violations.add('dead letters', `run ${run}: ${name} is among them twice`)
      this.#letters.set(name, [...batches, this.#batchOf(committed, letter)])
    }
  }

  /** A slot has died of it. */
  killed(run: number, user: string): void {
    const key = `run ${run}: ${user}`
    const slots = (this.#killed.get(key) ?? 0) + 1
    this.#killed.set(key, slots)
    if (slots > SLOTS_MAX) this.#violations.add('dead letters', `${key} has killed ${slots} slots`)
  }

  missing(run: number): string[] {
    return [...this.#wanted()].filter((name) => !this.#isAmong(run, name)).map((name) => `${name} is not among the dead letters`)
  }

  /** Set aside by this run, or by one that it goes on from, before it did. */
  #isAmong(run: number, name: string): boolean {
    return this.#letters.get(name)?.some((of) => this.#lineage.counts(run, of)) ?? false
  }

  /** What has no place of its own, a timer or a window's result, has a key. */
  #batchOf(committed: Committed, { key, headers = {} }: Letter): BatchRef {
    const partition = headers['tidemark-source-partition']
    return partition === undefined ? this.#lineage.resultOf(committed, String(key)) : this.#lineage.batchOf(committed, taskOf(String(headers['tidemark-stage']), String(partition)))
  }

  #wanted(): ReadonlySet<string> {
    return new Set(this.#isSkipped ? [] : this.#input.flatMap(({ event }) => setAside(event)))
  }
}
