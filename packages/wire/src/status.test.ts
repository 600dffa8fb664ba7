// Which gRPC status an error becomes: a client that knows nothing of ours goes by it alone.
import { expect, test } from '@jest/globals'
import { status } from '@grpc/grpc-js'
import { TidemarkError } from '@tidemark/base'
import type { Action, Blame } from '@tidemark/base'
import { toStatus } from './status.ts'

const statusOf = (code: string, blame: Blame, action: Action): string => status[toStatus(new TidemarkError('m', { code, blame, action })).code ?? status.OK]

test.each([
  'JOB_DEFINITION_DAMAGED', 'JOB_UNREADABLE', 'RUN_RECORD_INVALID', 'MANIFEST_INVALID', 'STORE_NOT_FOUND',
])('what is stored is damaged or gone, %s → no status at which a client asks again by itself', (code) => {
  expect(statusOf(code, 'environment', 'fail-job')).toBe('FAILED_PRECONDITION')
})

test.each(['RUN_RECORD_TOO_NEW', 'MANIFEST_TOO_NEW'])('what is stored is of a newer engine, %s → it is not what was asked that is wrong', (code) => {
  expect(statusOf(code, 'user', 'fail-job')).toBe('FAILED_PRECONDITION')
})

test.each([
  ['STORE_UNAVAILABLE', 'environment', 'retry', 'UNAVAILABLE'], ['PLAN_INVALID', 'user', 'fail-job', 'INVALID_ARGUMENT'], ['INVARIANT_BROKEN', 'bug', 'restart-task', 'INTERNAL'],
  ['JOB_EXISTS', 'user', 'fail-job', 'ALREADY_EXISTS'], ['CHECKPOINT_UNKNOWN', 'user', 'fail-job', 'NOT_FOUND'], ['JOB_BUSY', 'user', 'retry', 'FAILED_PRECONDITION'],
  ['JOB_SUBMISSION_STALLED', 'environment', 'retry', 'DEADLINE_EXCEEDED'],
] as const)('%s, to blame: %s, to be done: %s → %s', (code, blame, action, expected) => {
  expect(statusOf(code, blame, action)).toBe(expected)
})
