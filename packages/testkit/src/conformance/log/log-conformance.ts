// The suite that every adapter of the Log port passes, the real servers included. Names what it makes uniquely, so that it may run on a shared one.
import { describe } from '@jest/globals'
import { abortedTests } from './aborted.ts'
import { concurrencyTests } from './concurrency.ts'
import { fencingTests } from './fencing.ts'
import type { MakeLog } from './fixture.ts'
import { readingTests } from './reading.ts'
import { topicTests } from './topics.ts'
import { transactionTests } from './transactions.ts'

export interface LogConformanceOptions {
  /** What the log's `hasOpenTransactions` is; decides which tests there are. Default true. */
  readonly hasOpenTransactions?: boolean
}

/** Registers a `describe` block. `makeLog` is called for each part of it; closing what it answers closes the log too. */
export const logConformance = (name: string, makeLog: MakeLog, { hasOpenTransactions = true }: LogConformanceOptions = {}): void => describe(`log port: ${name}`, () => {
  topicTests(makeLog)
  readingTests(makeLog)
  transactionTests(makeLog, hasOpenTransactions)
  abortedTests(makeLog, hasOpenTransactions)
  fencingTests(makeLog, hasOpenTransactions)
  concurrencyTests(makeLog)
})
