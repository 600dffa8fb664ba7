// What happened, in order: who did what, when, and why. The same seed writes the same lines.
import { isTidemarkError } from '@tidemark/base'
import type { Logger } from '@tidemark/base'
import type { Scheduler } from './scheduler.ts'

interface Line {
  readonly at: number
  readonly who: string
  readonly what: string
  readonly facts: unknown
}

const plain = (_key: string, value: unknown): unknown => {
  if (isTidemarkError(value)) return `${value.code}: ${value.message}`
  if (value instanceof Error) return value.cause === undefined ? value.message : `${value.message} (${String(isTidemarkError(value.cause) ? `${value.cause.code}: ${value.cause.message}` : value.cause)})`
  return value
}

const FACTS_SHOWN = 400
const sentence = (facts: unknown): string => {
  const message = typeof facts === 'object' && facts !== null && 'message' in facts ? facts.message : undefined
  return typeof message === 'string' ? message : JSON.stringify(facts, plain).slice(0, FACTS_SHOWN)
}

export class Trace {
  readonly #scheduler: Scheduler
  readonly #lines: Line[] = []
  readonly #onError: (who: string, event: string, facts: object) => void
  /** Called for every line. */
  onEvent: (who: string, what: string, facts: unknown) => void = () => {}

  /** `onError`: called for every event at the level `error`. */
  constructor(scheduler: Scheduler, onError: (who: string, event: string, facts: object) => void = () => {}) {
    this.#scheduler = scheduler
    this.#onError = onError
  }

  get length(): number {
    return this.#lines.length
  }

  add(who: string, what: string, facts?: unknown): void {
    this.#lines.push({ at: this.#scheduler.now, who, what, facts })
    this.onEvent(who, what, facts)
  }

  logger(who: string): Logger {
    const write = (facts: object, event: string): void => this.add(who, event, facts)
    const logger: Logger = {
      debug: () => {}, info: write, warn: write,
      error: (facts, event) => {
        write(facts, event)
        this.#onError(who, event, facts)
      },
      child: () => logger,
    }
    return logger
  }

  /** One line each, events with a sentence for people as that sentence: `  1234.5 ms  e1.0   takeover.fenced  {…}`. */
  format(last = Infinity): string[] {
    return this.#lines.slice(-Math.min(last, this.#lines.length)).map(({ at, who, what, facts }) => `${at.toFixed(1).padStart(9)} ms  ${who.padEnd(8)} ${what}${facts === undefined ? '' : `  ${sentence(facts)}`}`)
  }
}
