// One error type for everything Tidemark reports: a stable code, who is to blame, and the one action it causes.

/** Who has to do something about it. */
export type Blame = 'user' | 'environment' | 'bug'

/**
 * What the catcher does. `retry`: the same call again, after a pause. `restart-task`: give the task up and take it over anew.
 * `fail-job`: stop the job and say why. `exit`: end this process.
 */
export type Action = 'retry' | 'restart-task' | 'fail-job' | 'exit'

/** The thing the error is about; whatever is known of it. */
export interface ErrorPlace {
  readonly job?: string
  readonly run?: number
  readonly stage?: string
  readonly partition?: number
  readonly topic?: string
  readonly offset?: number
  /** Path inside a plan or configuration: `sources.orders.topic`. */
  readonly path?: string
}

export interface ErrorFacts extends ErrorPlace {
  /** Stable, upper case, `ROOM_WHAT`: `LOG_OUT_OF_RANGE`. */
  readonly code: string
  readonly blame: Blame
  readonly action: Action
  /** What the reader can do about it: one sentence. */
  readonly hint?: string
  readonly cause?: unknown
  /** Values that belong to the message, for machines. */
  readonly details?: Readonly<Record<string, unknown>>
}

export class TidemarkError extends Error {
  override readonly name = 'TidemarkError'
  readonly code: string
  readonly blame: Blame
  readonly action: Action
  readonly hint: string | undefined
  readonly place: ErrorPlace
  readonly details: Readonly<Record<string, unknown>>

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    const { code, blame, action, hint, cause: _cause, details, ...place } = facts
    this.code = code
    this.blame = blame
    this.action = action
    this.hint = hint
    this.place = place
    this.details = details ?? {}
  }

  toJSON(): Record<string, unknown> {
    return { code: this.code, message: this.message, blame: this.blame, action: this.action, hint: this.hint, ...this.place, details: this.details }
  }
}

export const isTidemarkError = (error: unknown): error is TidemarkError => error instanceof Error && error.name === 'TidemarkError' && 'code' in error

/** An invariant of the protocol does not hold. Always a bug or a damaged log: the task stops, both values in the message. */
export const invariantBroken = (invariant: string, message: string, facts: ErrorPlace & { readonly details?: Readonly<Record<string, unknown>> }): TidemarkError =>
  new TidemarkError(`invariant ${invariant}: ${message}`, { ...facts, code: 'INVARIANT_BROKEN', blame: 'bug', action: 'fail-job', hint: 'This must not happen. The task was stopped before anything was committed; please report it with the log lines around it.' })

/** Every error as a TidemarkError; what is not one becomes `UNEXPECTED`, blamed on us. */
export const asTidemarkError = (error: unknown): TidemarkError =>
  isTidemarkError(error) ? error : new TidemarkError(error instanceof Error ? error.message : String(error), { code: 'UNEXPECTED', blame: 'bug', action: 'restart-task', cause: error })

/** Causes that are looked at: a chain may be a ring. */
const CAUSES_MAX = 10

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** Whoever wrapped it has said it already: alone, behind a colon, or in brackets. */
const repeats = (text: string, said: string): boolean => said === text || said.endsWith(`: ${text}`) || said.endsWith(`(${text})`) || said.startsWith(`${text} (`)

/** What caused it, the nearest first. One that only repeats what was said before it, and advises nothing else, is left out. */
export const causesOf = (error: unknown): unknown[] => {
  const causes: unknown[] = []
  let outer: unknown = error
  let at = error instanceof Error ? error.cause : undefined
  for (let looked = 0; at !== undefined && looked < CAUSES_MAX; looked += 1, at = at instanceof Error ? at.cause : undefined) {
    const advises = isTidemarkError(at) && at.hint !== undefined && !(isTidemarkError(outer) && outer.hint === at.hint)
    if (!advises && repeats(messageOf(at), messageOf(outer))) continue
    causes.push(at)
    outer = at
  }
  return causes
}

/** The message, behind its code where it has one. */
export const codedMessage = (error: unknown): string => isTidemarkError(error) ? `${error.code}: ${error.message}` : messageOf(error)

/** For a terminal: code, message, hint, and the chain of causes. */
export const describeError = (error: unknown): string => [error, ...causesOf(error)].flatMap((at, index) => [
  `${index === 0 ? '' : 'because: '}${codedMessage(at)}`, ...isTidemarkError(at) && at.hint ? [`  ${at.hint}`] : [],
]).join('\n')
