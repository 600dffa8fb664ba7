// The example jobs: importing one has no effect, its plan is good and can be cut.
import { describe, expect, test } from '@jest/globals'
import { checkPlan, cutStages, isJob, jobFunctions } from 'tidemark'

describe('examples', () => {
  test.each([['revenue', 2], ['running-totals', 1], ['fraud', 3]])('examples: %s → a job without problems, %d stages', async (name, stages) => {
    const { default: built }: { readonly default: unknown } = await import(`../../examples/${name}.ts`)
    if (!isJob(built)) throw new Error(`examples/${name}.ts exports no job`)
    expect(built.name).toBe(name)
    expect(checkPlan(built.plan())).toEqual([])
    expect(cutStages(built.plan()).stages).toHaveLength(stages)
    expect([...jobFunctions(built).keys()]).toEqual(built.plan().nodes.map(({ id }) => id))
  })
})
