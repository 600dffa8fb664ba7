import { describe, expect, test } from '@jest/globals'
import { executorId } from '@tidemark/base'
import type { ProbeAnswer } from '@tidemark/wire'
import { judgeByProbe, judgeByTime, pausedFor } from './detection.ts'
import type { Signs } from './detection.ts'
import { DEFAULT_SETTINGS } from './protocol.ts'

const me = executorId('e1')
const signs = (over: Partial<Signs> = {}): Signs => ({ heardAtMs: 1_000, lostAtMs: undefined, lostBecause: 'stream ended without goodbye', answered: false, ...over })

describe('driver watches heartbeats, time-out = failure: detection by time', () => {
  test.each([
    ['heartbeats come', signs(), 2_999, undefined],
    ['no heartbeat for the time-out', signs(), 3_000, 'no heartbeat for 2000 ms'],
    ['stream lost, within the grace', signs({ lostAtMs: 1_100 }), 1_299, undefined],
    ['stream lost, grace over', signs({ lostAtMs: 1_100 }), 1_300, 'stream ended without goodbye, neither reconnect nor answer in 200 ms'],
    ['stream lost, probe answered: the grace does not count', signs({ lostAtMs: 1_100, answered: true }), 1_300, undefined],
    ['stream lost, probe answered, but no reconnect: the time-out counts', signs({ lostAtMs: 1_100, answered: true }), 3_000, 'no heartbeat for 2000 ms (stream ended without goodbye, then the probe was answered)'],
    ['stream lost by a silence that was nearly over, probe not answered: the time-out comes before the grace ends', signs({ lostAtMs: 2_900 }), 3_000, 'no heartbeat for 2000 ms (stream ended without goodbye)'],
  ])('%s', (_situation, facts, now, reason) => {
    expect(judgeByTime(facts, now, DEFAULT_SETTINGS)).toEqual(reason === undefined ? { kind: 'lives' } : { kind: 'dead', reason })
  })
})

describe('driver watches heartbeats, closed stream + probe: detection by probe', () => {
  const lost = signs({ lostAtMs: 1_100 })
  test.each<[string, ProbeAnswer, string | undefined, boolean]>([
    ['refused → dead at once', { kind: 'refused', reason: 'ECONNREFUSED' }, 'stream ended without goodbye, probe refused', false],
    ['unreachable → dead at once', { kind: 'unreachable', reason: 'EHOSTUNREACH' }, 'stream ended without goodbye, host unreachable (EHOSTUNREACH)', false],
    ['another UUID → dead at once', { kind: 'identified', executor: executorId('e2') }, 'stream ended without goodbye, another process answers at its address', false],
    ['its own UUID → lives', { kind: 'identified', executor: me }, undefined, true],
    ['silence → says nothing, a stopped process accepts too', { kind: 'silent', reason: 'no answer' }, undefined, false],
  ])('%s', (_situation, answer, reason, answered) => {
    expect(judgeByProbe(me, lost, answer)).toEqual({ ...(reason === undefined ? { kind: 'lives' } : { kind: 'dead', reason }), answered })
  })
  test('it has come back meanwhile → a late refusal says nothing', () => {
    expect(judgeByProbe(me, signs(), { kind: 'refused', reason: 'ECONNREFUSED' })).toEqual({ kind: 'lives', answered: false })
  })
})

describe('a paused driver', () => {
  test('ticks on time, or a little late → no pause', () => {
    expect(pausedFor(1_000, 1_050, DEFAULT_SETTINGS)).toBeUndefined()
    expect(pausedFor(1_000, 1_240, DEFAULT_SETTINGS)).toBeUndefined()
  })
  test('nothing was handled for longer than the grace → how long', () => {
    expect(pausedFor(1_000, 4_050, DEFAULT_SETTINGS)).toBe(3_000)
  })
})
