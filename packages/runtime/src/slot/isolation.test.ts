// What the ends of throw-away processes, taken together, say of the input: blamed, innocent, or tried again.
import { expect, test } from '@jest/globals'
import { jobId, silentLogger, stageId } from '@tidemark/base'
import { findCulprits } from './isolation.ts'
import type { Culprit, Trial, TrialOutcome } from './isolation.ts'

const STEPS = 100
const request = { task: { job: jobId('j'), run: 1, stage: stageId(0), partition: 0 }, generation: { epoch: 1, counter: 1 }, claimOffset: 0 }
const at = (step: number): { name: string, node: string } => ({ name: `n0 in/0@${step}`, node: 'n0' })

/** Of a process that takes `STEPS` steps, or as many as it is told, and dies between two of them. */
const trialOf = (diesBehind: (steps: number) => number | undefined, leaked: boolean, setAsideHelps: (names: readonly string[]) => boolean): Trial => async ({ stepsMax = STEPS, setAside }): Promise<TrialOutcome> => {
  const died = setAsideHelps(setAside.map(({ name }) => name)) ? undefined : diesBehind(stepsMax)
  return died === undefined ? { kind: 'passed' } : { kind: 'died-between', steps: died, only: at(died), why: 'it took too much memory', leaked }
}

const found = async (trial: Trial): Promise<{ culprits: string[], cleared: boolean }> => {
  const culprits: Culprit[] = []
  const cleared = await findCulprits(trial, request, silentLogger, (culprit) => culprits.push(culprit))
  return { culprits: culprits.map(({ subject }) => subject.name), cleared }
}

test('what one step leaves behind kills the process some steps later → that step is found', async () => {
  const trial = trialOf((steps) => (steps < 40 ? undefined : Math.min(steps, 60)), false, (names) => names.includes(at(40).name))
  expect(await found(trial)).toEqual({ culprits: [at(40).name], cleared: false })
})

/** Each trial ends as the next of these says, the last of them over and over; what was set aside in each is noted. */
const played = (...outcomes: readonly TrialOutcome[]): { readonly trial: Trial, readonly asked: string[][] } => {
  const asked: string[][] = []
  return { asked, trial: async ({ setAside }) => {
    asked.push(setAside.map(({ name }) => name))
    return outcomes[asked.length - 1] ?? outcomes.at(-1) ?? { kind: 'passed' }
  } }
}
const passed: TrialOutcome = { kind: 'passed' }
const diedIn = (step: number, certain = true): TrialOutcome => ({ kind: 'died', subject: at(step), why: 'killed by SIGSEGV', certain })
const diedBetween = (steps: number, more: Partial<TrialOutcome & { readonly kind: 'died-between' }> = {}): TrialOutcome => ({ kind: 'died-between', steps, only: at(steps), why: 'exited with 3', leaked: false, ...more })

test('the process comes through → no record is blamed, and that is what is told', async () => {
  const { trial, asked } = played(passed)
  expect([await found(trial), asked]).toEqual([{ culprits: [], cleared: true }, [[]]])
})

test('it dies in one record for certain → that one is blamed at once, and the rest tried without it', async () => {
  const { trial, asked } = played(diedIn(7), diedIn(9), passed)
  expect([await found(trial), asked]).toEqual([{ culprits: [at(7).name, at(9).name], cleared: false }, [[], [at(7).name], [at(7).name, at(9).name]]])
})

test('a blamed record → its error says what it died of, and what to correct', async () => {
  const culprits: Culprit[] = []
  await findCulprits(played(diedIn(7), passed).trial, request, silentLogger, (culprit) => culprits.push(culprit))
  expect(culprits).toEqual([{ subject: at(7), error: expect.objectContaining({ code: 'TASK_PROCESS_KILLED', blame: 'user', message: `processing ${at(7).name} ends its process: killed by SIGSEGV`, details: { subject: at(7).name, why: 'killed by SIGSEGV' } }) }])
})

test('somebody may have killed it in a record → tried again: there twice is blamed, once is not', async () => {
  const twice = played(diedIn(7, false), diedIn(7, false), passed)
  expect([await found(twice.trial), twice.asked]).toEqual([{ culprits: [at(7).name], cleared: false }, [[], [], [at(7).name]]])
  const once = played(diedIn(7, false), passed)
  expect(await found(once.trial)).toEqual({ culprits: [], cleared: true })
  const elsewhere = played(diedIn(7, false), diedIn(8, false), diedIn(9, false), passed)
  expect([await found(elsewhere.trial), elsewhere.asked.length]).toEqual([{ culprits: [], cleared: true }, 4])
})

test.each<readonly [string, TrialOutcome]>([
  ['it can\'t be tried', { kind: 'untried', why: 'the store is away' }],
  ['it dies in a record of memory that those before had taken', { kind: 'leaked', why: 'it took too much memory' }],
])('%s → nothing more is tried, and nobody is blamed but who was before', async (_title, outcome) => {
  const atOnce = played(outcome)
  expect([await found(atOnce.trial), atOnce.asked.length]).toEqual([{ culprits: [], cleared: false }, 1])
  const later = played(diedIn(7), outcome)
  expect([await found(later.trial), later.asked.length]).toEqual([{ culprits: [at(7).name], cleared: false }, 2])
})

test('something kills it in another record each time, without end → a few are tried, nobody is blamed, and the task goes on', async () => {
  const turns: TrialOutcome[] = Array.from({ length: 40 }, (_, i) => diedIn(i % 2, false))
  const { trial, asked } = played(...turns)
  expect([await found(trial), asked]).toEqual([{ culprits: [], cleared: false }, Array.from({ length: 6 }, () => [])])
})

test('it dies behind the first step, of its one record → that one is tried alone once more, and blamed', async () => {
  const { trial, asked } = played(diedBetween(1), diedBetween(1), passed)
  expect([await found(trial), asked]).toEqual([{ culprits: [at(1).name], cleared: false }, [[], [], [at(1).name]]])
})

test('it dies behind the first step, but not again, or for another reason, or of several records at once → nobody is blamed', async () => {
  for (const again of [passed, diedIn(1), { kind: 'untried', why: 'the store is away' }, { kind: 'leaked', why: 'it took too much memory' }] satisfies TrialOutcome[]) {
    const { trial, asked } = played(diedBetween(1), again)
    expect([await found(trial), asked.length]).toEqual([{ culprits: [], cleared: false }, 2])
  }
  const { only: _one, ...several } = diedBetween(1) as TrialOutcome & { readonly kind: 'died-between' }
  expect(await found(played(several).trial)).toEqual({ culprits: [], cleared: false })
})

test('every record kills → fifty are found in one go, and no more', async () => {
  let tried = 0
  const trial: Trial = async ({ setAside }) => {
    tried += 1
    return diedIn(setAside.length)
  }
  const { culprits, cleared } = await found(trial)
  expect([culprits.length, new Set(culprits).size, tried, cleared]).toEqual([50, 50, 50, false])
})

test('all steps leak, and the process dies of it between two of them → none is blamed', async () => {
  const trial = trialOf((steps) => (steps < 90 ? undefined : 90), true, () => false)
  expect(await found(trial)).toEqual({ culprits: [], cleared: false })
})
