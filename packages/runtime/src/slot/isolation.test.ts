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

test('all steps leak, and the process dies of it between two of them → none is blamed', async () => {
  const trial = trialOf((steps) => (steps < 90 ? undefined : 90), true, () => false)
  expect(await found(trial)).toEqual({ culprits: [], cleared: false })
})
