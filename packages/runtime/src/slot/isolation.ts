// Finds what kills the processes that process it: the input behind the last commit is tried in throw-away processes, until one comes through. What
// killed one is set aside then, by the job's policy.
import { TidemarkError } from '@tidemark/base'
import type { ErrorPlace, Logger } from '@tidemark/base'
import type { Subject } from '../task/task.ts'
import type { TrialRequest } from './trial.ts'

export type TrialOutcome =
  /** The process came through. */
  | { readonly kind: 'passed' }
  /** `certain`: nobody else can have killed it. */
  | { readonly kind: 'died', readonly subject: Subject, readonly why: string, readonly certain: boolean }
  /** Between two steps: one of those before has left something behind that killed it. `leaked`: or it died of memory, that those before the last one had taken. */
  | { readonly kind: 'died-between', readonly steps: number, readonly only?: Subject, readonly why: string, readonly leaked: boolean }
  /** Of memory, that what came before had taken: nobody knows whose it was. */
  | { readonly kind: 'leaked', readonly why: string }
  /** It could not be tried. */
  | { readonly kind: 'untried', readonly why: string }

/** Runs one throw-away process to its end. Never rejects. */
export type Trial = (request: TrialRequest) => Promise<TrialOutcome>

export interface Culprit {
  readonly subject: Subject
  readonly error: TidemarkError
}

/** In one takeover; with more, the rest is found by the next deaths. */
const CULPRITS_MAX = 50

/** Deaths in a row by something that may have been anybody's doing, each in another record: then it is said to be none's. */
const CHANCES_MAX = 5

/** Resolves with whether a process came through with nothing set aside. */
export const findCulprits = async (trial: Trial, request: Omit<TrialRequest, 'setAside' | 'stepsMax'>, logger: Logger, found: (culprit: Culprit) => void): Promise<boolean> => {
  const setAside: Subject[] = []
  let suspected: string | undefined
  let chances = 0
  while (setAside.length < CULPRITS_MAX) {
    const outcome = await trial({ ...request, setAside })
    if (outcome.kind === 'passed') return setAside.length === 0
    const culprit = outcome.kind === 'died' ? outcome : outcome.kind === 'died-between' ? await leftBehind(trial, { ...request, setAside }, outcome) : undefined
    if (culprit === undefined) {
      logger.error({ ...request.task, outcome }, 'trial.nothing-found')
      return false
    }
    // Somebody, or the kernel, may have killed it by chance: not twice at the same place.
    if (outcome.kind === 'died' && !outcome.certain && suspected !== culprit.subject.name) {
      suspected = culprit.subject.name
      chances += 1
      if (chances <= CHANCES_MAX) continue
      logger.error({ ...request.task, outcome }, 'trial.nothing-found')
      return false
    }
    chances = 0
    setAside.push(culprit.subject)
    const error = killsError(culprit.subject, culprit.why, request.task)
    logger.error({ subject: culprit.subject.name, error }, 'trial.culprit-found')
    found({ subject: culprit.subject, error })
  }
  return false
}

/** The first step behind which the process does not come through; undefined: none, or it had several subjects, or found the memory taken by those before it. */
const leftBehind = async (trial: Trial, request: TrialRequest, died: TrialOutcome & { readonly kind: 'died-between' }): Promise<{ readonly subject: Subject, readonly why: string } | undefined> => {
  let passes = 0
  let last: (TrialOutcome & { readonly kind: 'died-between' }) | undefined
  for (let kills = died.steps; passes + 1 < kills || last?.steps !== kills;) {
    const stepsMax = passes + 1 < kills ? Math.floor((passes + kills) / 2) : kills
    const outcome = await trial({ ...request, stepsMax })
    if (outcome.kind === 'died-between') {
      last = outcome
      // It may have died before all those steps were taken.
      kills = Math.min(stepsMax, outcome.steps)
    } else if (outcome.kind === 'passed' && stepsMax < kills) passes = stepsMax
    else return undefined
  }
  return last?.only === undefined || last.leaked ? undefined : { subject: last.only, why: last.why }
}

const killsError = (subject: Subject, why: string, place: ErrorPlace): TidemarkError =>
  new TidemarkError(`processing ${subject.name} ends its process: ${why}`, {
    code: 'TASK_PROCESS_KILLED', blame: 'user', action: 'fail-job', ...place, details: { subject: subject.name, why },
    hint: 'It was tried in a process of its own, which died of it. Correct the code or the record.',
  })
