// The example jobs: importing one has no effect, its plan is good and can be cut.
import { describe, expect, test } from '@jest/globals'
import { checkPlan, cutStages, isJob, jobFunctions } from 'tidemark'
import fraud from '../../examples/fraud.ts'

describe('examples', () => {
  test.each([['revenue', 2], ['running-totals', 1], ['fraud', 3]])('examples: %s → a job without problems, %d stages', async (name, stages) => {
    const { default: built }: { readonly default: unknown } = await import(`../../examples/${name}.ts`)
    if (!isJob(built)) throw new Error(`examples/${name}.ts exports no job`)
    expect(built.name).toBe(name)
    expect(checkPlan(built.plan())).toEqual([])
    expect(cutStages(built.plan()).stages).toHaveLength(stages)
    expect([...jobFunctions(built).keys()]).toEqual(built.plan().nodes.map(({ id }) => id))
  })

  test('examples: fraud, five declined payments more than a minute apart in all while the watermark stands still → no alert; five within one → an alert', () => {
    const functions = [...jobFunctions(fraud).values()].find(({ kind }) => kind === 'process')
    if (functions?.kind !== 'process') throw new Error('examples/fraud.ts has no process')
    const alertsOf = (times: readonly number[]): number => {
      let [state, alerts] = [functions.initial?.(), 0]
      const timers = new Set<number>()
      for (const timestamp of times) {
        functions.onRecord({
          key: 'card', timestamp, now: timestamp, watermark: undefined, random: () => 0, uuid: () => 'id', emit: () => { alerts += 1 },
          state: { get: () => state, set: (value) => { state = value }, delete: () => { state = functions.initial?.() } },
          timers: { set: (time) => void timers.add(time), delete: (time) => void timers.delete(time) },
        }, { card: 'card', country: 'ch', amount: 1, status: 'declined', ts: timestamp })
        expect(timers.size).toBeLessThan(2)
      }
      return alerts
    }
    expect([alertsOf([0, 40_000, 80_000, 120_000, 160_000]), alertsOf([0, 10_000, 20_000, 30_000, 40_000])]).toEqual([0, 1])
  })
})
