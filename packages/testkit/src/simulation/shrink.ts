// Makes a failing simulation small: faults that are not needed go, and what varies its input; what is left gets shorter, as long as the same check still finds
// something.
import type { Fault } from './fault-plan.ts'
import { simulate } from './simulate.ts'
import type { Outcome, SimulationOptions } from './simulate.ts'
import type { Variety } from './variety.ts'

const checkOf = (violation: string): string => violation.slice(0, violation.indexOf(':'))

const SHORTER_MS_MIN = 20

const shorter = (fault: Fault): Fault[] => ('ms' in fault && fault.kind !== 'clock jump' && fault.ms > SHORTER_MS_MIN ? [{ ...fault, ms: Math.floor(fault.ms / 2) }] : [])

/** Answers with the smallest failing simulation that was found; `outcome` itself where nothing smaller fails in the same way. */
export const shrink = async (outcome: Outcome, options: Omit<SimulationOptions, 'seed' | 'plan' | 'variety' | 'shape'> = {}): Promise<Outcome> => {
  const first = outcome.violations[0]
  if (first === undefined) return outcome
  const check = checkOf(first)
  let best = outcome
  const tried = async (plan: readonly Fault[], variety: Variety = best.variety): Promise<boolean> => {
    const { seed, shape } = outcome
    const next = await simulate({ ...options, seed, shape, plan, variety })
    if (!next.violations.some((violation) => checkOf(violation) === check)) return false
    best = next
    return true
  }
  for (let again = true; again;) {
    again = false
    for (let i = best.plan.length - 1; i >= 0; i -= 1) again = (await tried(best.plan.toSpliced(i, 1))) || again
  }
  for (const name of Object.keys(best.variety)) await tried(best.plan, { ...best.variety, [name]: undefined })
  for (let i = 0; i < best.plan.length; i += 1) {
    for (let fault = best.plan[i]; fault !== undefined;) {
      const [less] = shorter(fault)
      if (less === undefined || !(await tried(best.plan.with(i, less)))) break
      fault = best.plan[i]
    }
  }
  return best
}
