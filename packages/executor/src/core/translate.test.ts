import { describe, expect, test } from '@jest/globals'
import { jobId, stageId, TidemarkError } from '@tidemark/base'
import { errorMessageOf, fromChannel, toChannel } from './translate.ts'

describe('translate', () => {
  test('an error on its way to people → the chain of causes in the message, the hint beside it, once, however often it passes', () => {
    const cause = new TidemarkError('position 40 is outside the log', { code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', hint: 'Restore from a checkpoint.', cause: new RangeError('1') })
    const told = errorMessageOf(new TidemarkError('events/0 ends at 10', { code: 'TASK_SOURCE_GONE', blame: 'user', action: 'fail-job', hint: 'Choose.', cause }))
    expect(told).toEqual({ code: 'TASK_SOURCE_GONE', message: 'events/0 ends at 10\nbecause: LOG_OUT_OF_RANGE: position 40 is outside the log\nbecause: 1', blame: 'user', action: 'fail-job', hint: 'Choose.' })
    // The executor makes an error again of what its slot said.
    expect(errorMessageOf(new TidemarkError(told.message, { code: told.code, blame: 'user', action: 'fail-job', ...(told.hint === undefined ? {} : { hint: told.hint }) }))).toEqual(told)
  })

  test.each(['retry', 'restart-task', 'fail-job'] as const)('a task fails in its slot with an error to %s → the executor hears of the same blame, action and hint', (action) => {
    const task = { job: jobId('orders'), run: 1, stage: stageId(0), partition: 0 }
    const error = new TidemarkError('the journal is not answered', { code: 'SLOT_JOURNAL_UNREADABLE', blame: 'environment', action, hint: 'The task is given out again.' })
    const heard = fromChannel(structuredClone(toChannel({ kind: 'failed', task, generation: { epoch: 1, counter: 2 }, error })))
    expect(heard).toMatchObject({ kind: 'failed', task, generation: { epoch: 1, counter: 2 }, error: { code: error.code, message: error.message, blame: 'environment', action, hint: error.hint } })
  })
})
