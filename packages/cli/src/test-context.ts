// For tests: a context whose terminal is kept and whose clients are given.
import { realClock } from '@tidemark/base'
import type { Clock } from '@tidemark/base'
import type { JobDescription, JobEvent, JobsClient, JobSummary } from '@tidemark/wire'
import type { Context } from './context.ts'
import { NO_CONFIG } from './config-file.ts'
import { readServers } from './settings.ts'
import type { Servers } from './settings.ts'
import { openTerminal } from './terminal.ts'

export interface TestContext extends Context {
  readonly out: string[]
  readonly notes: string[]
}

const refuse = (what: string) => (): never => {
  throw new Error(`this test opens no ${what}`)
}

/** Nowhere. */
export const SERVERS: Servers = { ...readServers({}, {}, NO_CONFIG), folder: '/nowhere', driver: 'one:1' }

const NOW = 1_700_000_100_000

/** Sleeps are over at once, and take their time. */
export const quickClock = (): Clock => {
  let passed = 0
  return { ...realClock, now: () => NOW + passed, monotonic: () => passed, sleep: async (ms) => { passed += ms } }
}

export const testContext = (given: Partial<Context> = {}): TestContext => {
  const [out, notes]: [string[], string[]] = [[], []]
  const keep = (into: string[]) => ({ write: (text: string) => into.push(text.replace(/\n$/, '')) })
  return {
    out, notes, terminal: openTerminal(keep(out), keep(notes), (_style, text) => text), json: false, servers: SERVERS,
    clock: { ...realClock, now: () => NOW }, openLog: refuse('log'), openStore: refuse('store'), openLease: refuse('lease'), openJobs: refuse('driver'), input: (async function * () {})(), environment: {}, signal: new AbortController().signal, ...given,
  }
}

/** What was printed as JSON, parsed. */
export const printed = ({ out }: TestContext): unknown[] => out.map((line) => JSON.parse(line) as unknown)

export const fakeJobs = (given: Partial<JobsClient>): JobsClient => ({
  submit: refuse('submit'), list: refuse('list'), damaged: async () => [], describe: refuse('describe'), cancel: refuse('cancel'), watchEvents: refuse('watchEvents'), close: () => {}, ...given,
})

export const SUMMARY: JobSummary = {
  job: 'revenue', version: '1', run: 3, state: 'running', tasks: 2, tasksRunning: 1, tasksWaiting: 1, submittedAt: 1_700_000_000_000, lag: 1_234, checkpoint: 7, checkpointAt: 1_700_000_092_000,
}

export const DESCRIPTION: JobDescription = {
  summary: SUMMARY,
  tasks: [
    {
      stage: 's0', partition: 0, phase: 'running', executor: 'west-1', executorId: '0f3c9a52-aaaa', slot: 1, generation: { epoch: 2, counter: 17 }, inputs: [{ input: 'n0', topic: 'orders', partition: 0, next: 500, stable: 1_734 }],
      lag: 1_234, batchId: 4_567, watermark: 1_700_000_050_000, stateKeys: 1_203, stateBytes: 84_992, snapshot: { checkpoint: 7, takenAt: 1_700_000_092_000, bytes: 40_000 },
      recovery: {
        cause: 'executor east-1 dead: stream ended, probe refused', detectedAt: 1_700_000_080_000, assignedAt: 1_700_000_080_003,
        steps: { startedAt: 1_700_000_080_005, readMs: 4, fencedMs: 11, claimedMs: 15, loadedMs: 20, tailedMs: 26, firstCommitMs: 41, snapshot: { checkpoint: 6, keys: 1_100, bytes: 80_000 }, tailRecords: 120, tailBatches: 118, fencedIds: 1, remarks: ['the newest snapshot is corrupt, the one before was used'] },
      },
      totals: {},
    },
    { stage: 's1', partition: 0, phase: 'waiting', waitingFor: 'store unreachable', inputs: [], lag: 0, batchId: 0, stateKeys: 0, stateBytes: 0, totals: {} },
  ],
  checkpoints: [{ checkpoint: 7, run: 3, takenAt: 1_700_000_092_000, bytes: 4_300_000, parts: 2 }],
  checkpointUnderWay: { checkpoint: 8, startedAt: 1_700_000_099_000, partsNamed: 1, parts: 2 },
  executors: [{ executor: '0f3c9a52-aaaa', label: 'west-1', state: 'alive', slots: 2, tasks: 1, since: 1_700_000_000_000 }, { executor: '77777777-bbbb', label: 'east-1', state: 'dead', slots: 2, tasks: 0, reason: 'stream ended, probe refused', since: 1_700_000_080_000 }],
  warnings: ['the journal of s0 grows: 3 min without a snapshot'], startedFrom: 'checkpoint 5',
}

export const EVENT: JobEvent = { sequence: 12, at: 1_700_000_080_000, event: 'executor.dead', job: 'revenue', executor: 'east-1', message: 'east-1 is dead: stream ended, probe refused', facts: { tasks: 2 } }
