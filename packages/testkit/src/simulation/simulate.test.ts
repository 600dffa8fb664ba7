import { describe, expect, test } from '@jest/globals'
import { realClock, realRandom } from '@tidemark/base'
import { describeOutcome } from './report.ts'
import { shrink } from './shrink.ts'
import { simulate } from './simulate.ts'
import type { Outcome } from './simulate.ts'

const wrong = async (outcome: Outcome): Promise<string> => (outcome.violations.length === 0 ? '' : describeOutcome(outcome, await shrink(outcome)))

/** Faults are pinned to a moment: that they hit what the test says, is in the trace, in this order. */
const inOrder = (...what: readonly string[]): RegExp => new RegExp(what.join('[^]*'))
const LEADS_AGAIN = 'driver\\.leads +\\{"epoch":2'

describe('simulation', () => {
  test.each(['copartitioned', 'shuffled', 'generated'] as const)('simulation, %s, nothing goes wrong → everything is said, once', async (shape) => {
    expect(await wrong(await simulate({ seed: 4, shape, plan: [] }))).toBe('')
  })

  test.each([
    ['copartitioned', { onError: 'dead-letter', timers: true, fractions: true }], ['copartitioned', { lateness: 0, emit: 'updates', onError: 'skip', folds: true, buffers: true }], ['copartitioned', { lateness: 50, timers: true, onError: 'dead-letter' }],
    ['shuffled', { onError: 'dead-letter', timers: true, emit: 'updates' }], ['shuffled', { bursts: true, timers: true, fractions: true, onError: 'skip' }], ['shuffled', { onError: 'dead-letter', folds: true, buffers: true }], ['generated', { onError: 'dead-letter', fractions: true, buffers: true }],
  ] as const)('simulation, %s, its input has %j, a machine dies and an older checkpoint is restored → everything is said, once, and what is set aside too', async (shape, variety) => {
    for (const seed of [4, 5, 6]) {
      const outcome = await simulate({ seed, shape, variety, plan: [{ at: 500, kind: 'kill machine', who: 0 }, { at: 805, kind: 'restore' }] })
      expect(await wrong(outcome)).toBe('')
      expect(outcome.trace().join('\n')).toMatch(inOrder('fault +kill machine', 'run 2 starts from checkpoint'))
    }
  })

  test('simulation, an executor is killed → its tasks move, nothing is lost, nothing doubled', async () => {
    const outcome = await simulate({ seed: 4, shape: 'copartitioned', plan: [{ at: 500, kind: 'kill machine', who: 0 }] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(/executor e1 is dead: .*; 1 task moves[^]*e2\.0 +takeover\.running/)
  })

  test.each((['now', 'drain'] as const).flatMap((mode) => (['nothing', 'submit', 'restore'] as const).map((afterwards) => [mode, afterwards] as const)))('simulation, the job is cancelled (%s) while an executor is out of reach and the driver dies, then %s → its run ends for good, what follows is exact', async (mode, afterwards) => {
    const outcome = await simulate({ seed: 4, shape: 'shuffled', plan: [
      { at: 550, kind: 'cut', who: 0, to: 'driver', way: 'both', ms: 600 }, { at: 600, kind: 'cancel', afterwards, mode }, { at: 655, kind: 'kill driver' },
    ] })
    expect(await wrong(outcome)).toBe('')
    // e1 hears of the driver's death when it is within reach again: cancelled at once, the run has ended by then; drained, it waits for e1.
    const [begun, ...ends] = mode === 'now' ? ['job\\.cancelling', 'job\\.cancelled', 'e1 +driver\\.lost'] : ['job\\.draining', 'e1 +driver\\.lost', 'job\\.drained', 'job\\.cancelled']
    expect(outcome.trace().join('\n')).toMatch(inOrder('fault +cut', begun ?? '', 'fault +kill driver', LEADS_AGAIN, ...ends))
    expect(outcome.trace().join('\n')).toMatch(afterwards === 'nothing' ? /job\.cancelled/ : /job\.cancelled[^]*job\.started +run 2/)
  })

  test('simulation, the job is drained and the driver dies while the topics of its run go → the next one does not miss them, it ends what is left', async () => {
    const outcome = await simulate({ seed: 29_775, shape: 'shuffled', plan: [{ at: 275, kind: 'cancel', mode: 'drain', afterwards: 'submit' }, { at: 388, kind: 'kill driver' }] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(inOrder('job\\.drained', 'fault +kill driver', LEADS_AGAIN, 'job\\.cancelled'))
  })

  test.each([['copartitioned', 'last'], ['shuffled', 'first'], ['shuffled', 'last']] as const)('simulation, %s, a record kills the process that runs the %s operator → two slots die of it, it is tried and set aside, nothing else is', async (shape, where) => {
    const outcome = await simulate({ seed: 7, shape, plan: [{ at: 600, kind: 'poison', in: where }] })
    expect(await wrong(outcome)).toBe('')
    const trace = outcome.trace().join('\n')
    expect(trace.match(/a record kills a slot/g)).toHaveLength(2)
    expect(trace).toMatch(/takeover\.tried[^]*a record kills a trial[^]*trial\.culprit-found[^]*"passed"[^]*takeover\.running/)
  })

  test('simulation, a slot finds itself orphaned while it claims for a command → it ends there and then, and does not go on under a session for which it has no claims', async () => {
    const outcome = await simulate({ seed: 1_414_531_468, shape: 'copartitioned', plan: [
      { at: 93, kind: 'stall', point: 'takeover.read', after: 1, whole: true, ms: 112, heirMs: 3 }, { at: 880, kind: 'poison', in: 'first' }, { at: 984, kind: 'orphan slots', who: 4, ms: 451 },
    ] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(inOrder('stall at takeover\\.read +\\{"slot":"e1\\.0"', 'fault +orphan slots', 'e1\\.0 +slot\\.command-failed +\\{"command":"assign","error":\\{"code":"SLOT_ORPHANED"', 'e1\\.0 +exits'))
  })

  test('simulation, a task whose input kills is moved right behind its trial → the next owner has it tried again, instead of dying of it', async () => {
    const outcome = await simulate({ seed: 816_799_010, shape: 'copartitioned', plan: [
      { at: 386, kind: 'hang executor', who: 4, ms: 459 }, { at: 466, kind: 'poison', in: 'first' }, { at: 949, kind: 'drain', who: 3 }, { at: 1_170, kind: 'orphan slots', who: 3, ms: 15 },
    ] })
    expect(await wrong(outcome)).toBe('')
    const trace = outcome.trace()
    const moved = trace.findIndex((line) => /task\.moving +s0-0/.test(line))
    expect(trace.slice(0, moved).join('\n')).toMatch(inOrder('a record kills a slot', 'a record kills a slot', 'trial\\.culprit-found'))
    expect(trace.slice(moved).join('\n')).toMatch(inOrder('takeover\\.tried', 'trial\\.culprit-found'))
    expect(trace.slice(moved).filter((line) => line.includes('a record kills a slot'))).toEqual([])
  })

  test('simulation, a slot out of reach of the log releases its task when another driver leads that had adopted it there → it is given out again', async () => {
    const outcome = await simulate({ seed: 1_414_531_842, shape: 'copartitioned', plan: [
      { at: 688, kind: 'cut', who: 2, to: 'log', way: 'in', ms: 1_066 }, { at: 1_008, kind: 'cut off and crash', who: 3, point: 'takeover.claimed', ms: 823 }, { at: 1_366, kind: 'empty lease' },
    ] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(inOrder('slot\\.cut-off .*slot 0 of e1', LEADS_AGAIN, 'task\\.adopted +s0-0 runs on e1 already', 'task\\.assigned +s0-0 goes to .*released it for a driver before this one'))
  })

  test('simulation, what a generator makes is restored from an older checkpoint while a slot dies → the outbox behind the shuffle says all of it again, once', async () => {
    const outcome = await simulate({ seed: 4, shape: 'generated', plan: [{ at: 900, kind: 'restore' }, { at: 930, kind: 'kill slot', who: 1 }, { at: 1_201, kind: 'restore' }] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(/run 2 starts from checkpoint[^]*run 3 starts from checkpoint[^]*takeover\.running +\{"task":"generated\/3\/s1/)
  })

  test.each([[1, 'shuffled', 337, 453], [2, 'copartitioned', 374, 506]] as const)('simulation, seed %i, %s, a leader asks for the removal of a checkpoint and dies, the next restores from it, the removal comes → the run has its own copy, all is said, once', async (seed, shape, at, ms) => {
    const outcome = await simulate({ seed, shape, plan: [{ at, kind: 'late removal', ms }] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(/fault late[^]*run 2 starts from checkpoint/)
  })

  test.each([0, 1, 2, 3, 7])('simulation, seed %i twice → the same trace', async (seed) => {
    const [once, again] = [await simulate({ seed }), await simulate({ seed })]
    expect(again.trace()).toEqual(once.trace())
  })

  test('simulation, a slot is taken for dead, comes back and gives up, its heir loses a session → it is not fenced for what it gave up', async () => {
    const outcome = await simulate({ seed: 1_700_003_300, shape: 'copartitioned', plan: [
      { at: 128, kind: 'slow', who: 1, to: 'store', byMs: 22, ms: 893 }, { at: 513, kind: 'hang machine', who: 0, ms: 450, heirMs: 0 }, { at: 693, kind: 'spoil', point: 'snapshot.trimmed', after: 1, fate: 'not-done', ms: 12 },
    ] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(inOrder('executor\\.dead +executor e1', 'e1\\.0 +task\\.given-up', 'spoils the next commit at snapshot\\.trimmed +\\{"slot":"e2\\.0"', 'e2\\.0 +session\\.lost'))
  })

  test('simulation, a snapshot is damaged, and the commit record that names a newer one becomes visible during the takeover → the newer one is used, the state is not lost', async () => {
    const outcome = await simulate({ seed: 1_945_318_486, shape: 'copartitioned', plan: [
      { at: 486, kind: 'cut off and crash', who: 2, point: 'takeover.claim-appended', ms: 778 }, { at: 1_042, kind: 'damage' }, { at: 1_266, kind: 'kill machine', who: 1 },
    ] })
    expect(await wrong(outcome)).toBe('')
    expect(outcome.trace().join('\n')).toMatch(inOrder('fault +damaged', 'fault +kill machine', 'takeover\\.snapshot-not-loaded', 'takeover\\.running .*copartitioned/1/s0/1.*"snapshot":\\{"checkpoint":3'))
  })

  const SECONDS = 8
  const first = Math.floor(realRandom.next() * 2 ** 31)
  test(`simulation, fresh seeds from ${first} for ${SECONDS} s → every one is exact`, async () => {
    for (const began = realClock.monotonic(), seeds = { next: first }; realClock.monotonic() - began < SECONDS * 1_000; seeds.next += 1) {
      expect(await wrong(await simulate({ seed: seeds.next }))).toBe('')
    }
  }, 60_000)
})
