// A run that is drained, and sinks that answer late or not at all: what they have is in the last checkpoint, so that no run delivers it again.
import { TidemarkError } from '@tidemark/base'
import { expect, test } from '@jest/globals'
import type { Shape } from './events.ts'
import { instead } from './instead.ts'
import type { Fault } from './fault-plan.ts'
import { simulate } from './simulate.ts'
import type { Outcome } from './simulate.ts'

const CASES = ([1, 2, 3] as const).flatMap((seed) => (['copartitioned', 'generated'] as const).map((shape) => [seed, shape] as const))
/** From the first delivery on; longer than a drain waits. */
const AWAY_MS = 14_000
const away = new TidemarkError('it is away', { code: 'SINK_AWAY', blame: 'environment', action: 'retry' })

/** Each delivery is begun `lateMs` after it was asked for; undefined: none before the sink is there again. */
const drainedWith = (seed: number, shape: Shape, lateMs: number | undefined, faults: readonly Fault[] = []): Promise<Outcome> => simulate({
  seed, shape, plan: [{ at: 600, kind: 'cancel', mode: 'drain', afterwards: 'restore' }, ...faults],
  mutation: () => {
    let firstAt: number | undefined
    return { sink: (sink, { clock }) => instead(sink, { deliver: async (delivery) => {
      firstAt ??= clock.now()
      if (lateMs === undefined && clock.now() - firstAt < AWAY_MS) throw away
      await clock.sleep(lateMs ?? 0)
      await sink.deliver(delivery)
    } }) }
  },
})

test.each(CASES)('drain, its sinks answer late (seed %s, %s) → its last checkpoint waits for them, and leaves nothing undelivered', async (seed, shape) => {
  const { violations, trace } = await drainedWith(seed, shape, 120)
  expect(violations).toEqual([])
  expect(trace().join('\n')).toContain('job.drained')
  expect(trace().join('\n')).not.toContain('drain.undelivered')
})
test.each(CASES)('drain, its sinks answer late and an executor dies, then the driver (seed %s, %s) → nothing is delivered behind a cut all the same', async (seed, shape) => {
  const { violations, trace } = await drainedWith(seed, shape, 120, [{ at: 640 + seed * 15, kind: 'kill executor', who: seed }, { at: 800, kind: 'kill driver' }])
  expect(violations).toEqual([])
  // Both die while it is drained, and the next driver goes on with that.
  expect(trace().join('\n')).toMatch(/job\.draining[^]*fault +kill executor[^]*executor\.dead[^]*fault +kill driver[^]*job\.found +.*: draining[^]*driver\.leads +\{"epoch":2[^]*job\.drained/)
})
test.each(['copartitioned', 'generated'] as const)('drain, a sink is away (%s) → it is drained after ten seconds all the same, the entries go along, and the next run delivers them', async (shape) => {
  const { violations, trace } = await drainedWith(1, shape, undefined)
  expect(violations).toEqual([])
  expect(trace().join('\n')).toMatch(/drain\.undelivered[^]*job\.drained/)
})
