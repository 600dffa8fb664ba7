// Whom the end of a throw-away process is blamed on.
import { describe, expect, test } from '@jest/globals'
import type { TrialWord } from '@tidemark/runtime'
import { judge } from './verdict.ts'
import type { TrialEnd } from './verdict.ts'

const subject = { name: 'n0 in/0@7', node: 'n0' }
const at = (memoryUsed = 0.1): TrialWord => ({ kind: 'in', subject, memoryUsed })
const behind = (memoryUsed = 0.1): TrialWord => ({ kind: 'between', steps: 8, only: subject, memoryUsed })

const exited = (code: number): TrialEnd => ({ code, signal: null, killed: undefined })
const died = (signal: NodeJS.Signals): TrialEnd => ({ code: null, signal, killed: undefined })
/** As this side kills it. */
const killed = (limit: 'time' | 'memory'): TrialEnd => ({ code: null, signal: 'SIGKILL', killed: { limit, because: `too much ${limit}` } })

test('it exits with 0 and has taken its last word back → it came through', () => {
  expect(judge(exited(0), undefined)).toEqual({ kind: 'passed' })
})

describe('it dies before it was at any record', () => {
  test.each<readonly [string, TrialEnd, TrialWord | undefined, string]>([
    ['without a word', exited(1), undefined, 'exited with 1'],
    ['without a word, by a signal', died('SIGSEGV'), undefined, 'killed by SIGSEGV'],
    ['while it restores', exited(1), { kind: 'preparing' }, 'exited with 1'],
    ['while it restores, though it says that all went well', exited(0), { kind: 'preparing' }, 'exited with 0'],
    ['while it restores, for too long', killed('time'), { kind: 'preparing' }, 'too much time'],
    ['while it restores, out of memory', died('SIGABRT'), { kind: 'preparing' }, 'killed by SIGABRT'],
  ])('%s → nothing is known of any', (_title, end, word, why) => {
    expect(judge(end, word)).toEqual({ kind: 'untried', why })
  })
})

describe('it dies in a record', () => {
  test.each<readonly [string, TrialEnd, string]>([
    ['its code exits, with 0 too', exited(0), 'exited with 0'],
    ['its code exits', exited(3), 'exited with 3'],
    ['a crash', died('SIGSEGV'), 'killed by SIGSEGV'],
    ['its heap is full', died('SIGABRT'), 'killed by SIGABRT'],
    ['it does not come back', killed('time'), 'too much time'],
    ['it takes too much memory', killed('memory'), 'too much memory'],
  ])('%s → that record is blamed', (_title, end, why) => {
    expect(judge(end, at())).toEqual({ kind: 'died', subject, why, certain: true })
  })

  test('somebody sends it SIGKILL → the record is suspected only', () => {
    expect(judge(died('SIGKILL'), at())).toEqual({ kind: 'died', subject, why: 'killed by SIGKILL', certain: false })
  })
})

describe('it dies in a record, with more than half of its memory taken when that came', () => {
  test.each<readonly [string, TrialEnd, string]>([
    ['its heap is full', died('SIGABRT'), 'killed by SIGABRT'],
    ['it takes too much memory', killed('memory'), 'too much memory'],
  ])('%s → nobody is blamed', (_title, end, why) => {
    expect(judge(end, at(0.51))).toEqual({ kind: 'leaked', why })
    expect(judge(end, at(0.5))).toMatchObject({ kind: 'died', certain: true })
  })

  test.each<readonly [string, TrialEnd, boolean]>([
    ['a crash', died('SIGSEGV'), true],
    ['its code exits', exited(3), true],
    ['it does not come back', killed('time'), true],
    ['somebody sends it SIGKILL', died('SIGKILL'), false],
  ])('%s → that has nothing to do with memory', (_title, end, certain) => {
    expect(judge(end, at(0.99))).toMatchObject({ kind: 'died', subject, certain })
  })
})

describe('it dies between two records', () => {
  test('a crash → behind so many steps, with the last one if it was one record', () => {
    expect(judge(died('SIGSEGV'), behind())).toEqual({ kind: 'died-between', steps: 8, only: subject, why: 'killed by SIGSEGV', leaked: false })
    expect(judge(exited(3), { kind: 'between', steps: 8, memoryUsed: 0.1 })).toEqual({ kind: 'died-between', steps: 8, why: 'exited with 3', leaked: false })
  })

  test('of memory → it leaked if those before the last one had taken more than half of it', () => {
    for (const end of [died('SIGABRT'), killed('memory')]) {
      expect(judge(end, behind(0.51))).toMatchObject({ kind: 'died-between', leaked: true })
      expect(judge(end, behind(0.5))).toMatchObject({ kind: 'died-between', leaked: false })
    }
  })

  test('of something else, with its memory full → it did not leak', () => {
    for (const end of [died('SIGSEGV'), died('SIGKILL'), exited(3), killed('time')]) expect(judge(end, behind(0.99))).toMatchObject({ kind: 'died-between', leaked: false })
  })
})
