import { describe, expect, test } from '@jest/globals'
import { TidemarkError } from '@tidemark/base'
import { errorMessageOf } from './translate.ts'

describe('translate', () => {
  test('an error on its way to people → the chain of causes in the message, the hint beside it, once, however often it passes', () => {
    const cause = new TidemarkError('position 40 is outside the log', { code: 'LOG_OUT_OF_RANGE', blame: 'environment', action: 'fail-job', hint: 'Restore from a checkpoint.', cause: new RangeError('1') })
    const told = errorMessageOf(new TidemarkError('events/0 ends at 10', { code: 'TASK_SOURCE_GONE', blame: 'user', action: 'fail-job', hint: 'Choose.', cause }))
    expect(told).toEqual({ code: 'TASK_SOURCE_GONE', message: 'events/0 ends at 10\nbecause: LOG_OUT_OF_RANGE: position 40 is outside the log\nbecause: 1', blame: 'user', action: 'fail-job', hint: 'Choose.' })
    // The executor makes an error again of what its slot said.
    expect(errorMessageOf(new TidemarkError(told.message, { code: told.code, blame: 'user', action: 'fail-job', ...(told.hint === undefined ? {} : { hint: told.hint }) }))).toEqual(told)
  })
})
