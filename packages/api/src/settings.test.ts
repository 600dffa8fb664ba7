// Settings of a job: what each mistake is called, word for word (__snapshots__), and that all of them are told at once.
import { describe, expect, test } from '@jest/globals'
import { resolveSettings } from './settings.ts'
import type { JobOptions } from './settings.ts'
import { checkSettings } from './plan/check.ts'
import { isSettings } from './plan/schema.ts'
import { Report } from './plan/shape.ts'

/** What can't be read is refused by the builder, the rest when the plan is checked. */
const mistakes = (options: object): string => {
  try {
    const [settings, found] = [resolveSettings('orders', options as JobOptions), new Report()]
    if (isSettings(settings, found)) checkSettings(settings, found)
    return found.problems.map(({ path, message }) => `${path}: ${message}`).join('\n')
  } catch (error) {
    return (error as Error).message
  }
}

const WRONG: readonly (readonly [string, object])[] = [
  ['a setting that there is not', { paralellism: 4 }],
  ['a duration without a unit that exists', { checkpointInterval: '10 lightyears' }],
  ['a size that is a duration', { outboxMax: '10s' }],
  ['a number that is text', { parallelism: '4' }],
  ['no partition', { parallelism: 0 }],
  ['a commit interval that leaves its transaction no time', { commitIntervalMax: '6s' }],
  ['one checkpoint kept', { checkpointsRetained: 1 }],
  ['a policy that there is not', { onError: 'ignore' }],
  ['a batch too small for a record', { batchStateMax: 10 }],
  ['shortest longer than longest', { commitIntervalMin: '2s', commitIntervalMax: '1s' }],
  ['commits rarer than checkpoints', { commitIntervalMax: '1s', checkpointInterval: '500ms' }],
  ['a batch that does not fit into the outbox', { outboxMax: '1MiB' }],
  ['no name for a topic', { deadLetterTopic: 'not a topic' }],
]

describe('settings of a job', () => {
  test('none given → nothing is wrong', () => {
    expect(mistakes({})).toBe('')
  })

  test.each(WRONG)('wrong: %s → told with its path, its value and the rule', (_, options) => {
    const said = mistakes(options)
    expect(said).toContain('settings.')
    expect(said).toMatchSnapshot()
  })

  test('some that can\'t be read, some out of range, some that don\'t fit each other → told at once, as the job file calls them', () => {
    expect(mistakes({ paralellism: 4, checkpointTimeout: 'long', checkpointsRetained: 1, commitIntervalMin: '2s', commitIntervalMax: '1s', outboxMax: '1MiB' })).toMatchSnapshot()
  })
})
